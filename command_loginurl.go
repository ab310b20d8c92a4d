package caddyspotify

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

// loginAddress is where people log in at a site.
type loginAddress struct {
	Site     string `json:"site"`
	LoginURL string `json:"login_url"`
}

func loginURLCommand() *cobra.Command {
	var (
		config   configFlags
		returnTo string
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "login-url [--return-to <path>] [--config <path>] [--adapter <name>] [--json]",
		Short: "Prints the URL at which to log in",
		Long: `
Prints, for each spotify_proxy or spotify_auth of a configuration, the URL that
logs in whoever opens it in a browser. It holds no secret.`,
		Example: `  $ caddy spotify login-url
  $ caddy spotify login-url --return-to /playlists`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := config.load()
			if err != nil {
				return err
			}
			addresses, err := loginAddresses(text, returnTo)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), addresses)
			}
			for _, a := range addresses {
				fmt.Fprintln(cmd.OutOrStdout(), a.LoginURL)
			}
			return nil
		},
	}
	config.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&returnTo, "return-to", "", "Path of the page to go to after the login (default /)")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func loginAddresses(config []byte, returnTo string) ([]loginAddress, error) {
	if returnTo != "" && returnPath(returnTo) != returnTo {
		return nil, fmt.Errorf("return-to %q is not a path of the site: write it like /playlists", returnTo)
	}
	found, err := findHandlers(config)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("there is neither spotify_proxy nor spotify_auth in the configuration")
	}
	var addresses []loginAddress
	for i := range found {
		found[i].replacePlaceholders()
		redirect, err := parseRedirectURI(found[i].RedirectURI)
		if err != nil {
			return nil, err
		}
		login := redirect.origin + redirect.prefix + "/login"
		if returnTo != "" {
			login += "?return_to=" + url.QueryEscape(returnTo)
		}
		addresses = append(addresses, loginAddress{Site: redirect.host, LoginURL: login})
	}
	return addresses, nil
}
