package caddyspotify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// configFlags say where a command finds its config.
type configFlags struct {
	file, adapter string
	env           []string
}

// add adds the flags. The use is what the command takes from the config.
func (f *configFlags) add(cmd *cobra.Command, use string) {
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "Configuration file, or - for standard input "+use)
	flags.StringVarP(&f.adapter, "adapter", "a", "", "Name of the adapter of the configuration, if the file's name does not tell")
	flags.StringSliceVar(&f.env, "envfile", nil, "Environment file to load; may be given several times")
	_ = cmd.MarkFlagFilename("config")
	_ = cmd.MarkFlagFilename("envfile")
	_ = cmd.RegisterFlagCompletionFunc("adapter", cobra.FixedCompletions([]string{"caddyfile"}, cobra.ShellCompDirectiveNoFileComp))
}

// load reads the config and returns it as JSON.
func (f *configFlags) load() ([]byte, error) {
	if err := doctor.LoadEnvFiles(f.env); err != nil {
		return nil, err
	}
	return doctor.LoadConfig(f.file, f.adapter)
}

// subjectsOf returns the sites of a config, given as JSON, as the checks see them.
func subjectsOf(config []byte) ([]doctor.Subject, error) {
	found, err := doctor.FindHandlers(config, "spotify_auth")
	if err != nil {
		return nil, err
	}
	sites := make([]doctor.Subject, len(found))
	for i, f := range found {
		var h Handler
		if err := json.Unmarshal(f.Handler, &h); err != nil {
			return nil, fmt.Errorf("reading the options of spotify_auth: %w", err)
		}
		h.replacePlaceholders()
		err := h.checkOptions()
		s := doctor.Subject{
			Found:        f,
			ClientID:     h.ClientID,
			RedirectURI:  h.RedirectURI,
			Scopes:       h.Scopes,
			RequireLogin: h.RequireLogin,
			AuthorizeURL: cmp.Or(h.AuthorizeURL, defaultAuthorizeURL),
			TokenURL:     cmp.Or(h.TokenURL, defaultTokenURL),
			APIURL:       cmp.Or(h.APIURL, defaultAPIURL),
			Options:      err,
			State:        login.NewState(),
			Store:        h.StoreRaw,
		}
		if err == nil {
			s.Client, s.Options = serviceClient(&h, f.Storage)
		}
		sites[i] = s
	}
	return sites, nil
}

// serviceClient returns the client that a running Caddy has for the token endpoint.
func serviceClient(h *Handler, storage json.RawMessage) (*http.Client, error) {
	ctx, err := doctor.Context(storage)
	if err != nil {
		return nil, err
	}
	return upstream.NewServiceClient(ctx, h.Transport, time.Duration(h.Refresh.Timeout))
}
