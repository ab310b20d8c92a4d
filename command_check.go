package caddyspotify

import (
	"context"
	"errors"

	"github.com/caddyspotify/caddy-spotify/internal/adminclient"
	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/initconfig"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// exitProblems is the exit code of a check that found something wrong.
const exitProblems = 2

func checkCommand() *cobra.Command {
	var (
		config        adminclient.ConfigFlags
		asJSON, quick bool
	)
	cmd := &cobra.Command{
		Use:   "check [--config <path>] [--adapter <name>] [--envfile <path>] [--offline] [--json]",
		Short: "Finds out why logging in does not work",
		Long: `
Reads a configuration and checks, for each spotify_proxy or spotify_auth in it,
what has to be right for a login to work, and says what to do where it is not:

  client_id     has the shape of Spotify's
  redirect_uri  follows Spotify's rules
  address       redirect_uri leads to this very site: host, port and path, and
                nothing before it in the site responds in its place
  require_login its pages come to the handler, which guards them
  store         takes a record, gives it back and deletes it
  …_url         the names of Spotify's services resolve, and they answer with
                certificates that are good
  clock         agrees with that of the accounts service
  app           the accounts service knows client_id together with redirect_uri

It needs the environment that Caddy has, if the configuration refers to it. A
running Caddy is neither needed nor disturbed, no login takes place, and nothing
is left in the store. Run it as Caddy's user: as root it does not try a store in
files of another user's, where root may write what Caddy's user may not.

It exits with 0 if all checks passed, with 2 if one failed, and with 1 if they
could not be run.`,
		Example: `  $ caddy spotify check
  $ caddy spotify check --config /etc/caddy/Caddyfile --json`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := runCheck(cmd, &config, quick)
			if err != nil {
				return err
			}
			if asJSON {
				if err := adminclient.PrintJSON(cmd.OutOrStdout(), report); err != nil {
					return err
				}
			} else {
				report.Print(cmd.OutOrStdout())
			}
			if report.OK {
				return nil
			}
			return exitWith(cmd, exitProblems)
		},
	}
	config.Add(cmd, "to check (default Caddyfile)")
	flags := cmd.Flags()
	flags.BoolVar(&quick, "offline", false, "Ask nothing of Spotify")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func runCheck(cmd *cobra.Command, config *adminclient.ConfigFlags, offline bool) (*doctor.Report, error) {
	text, err := config.Load()
	if errors.Is(err, doctor.ErrAdapt) {
		report := &doctor.Report{Sites: []doctor.SiteReport{{Site: "config", Checks: []doctor.CheckResult{{Check: "config", Status: doctor.CheckFailed, Message: err.Error()}}}}}
		return report, nil
	}
	if err != nil {
		return nil, err
	}
	return checkConfig(cmd.Context(), text, offline)
}

func checkConfig(ctx context.Context, config []byte, offline bool) (*doctor.Report, error) {
	sites, err := subjectsOf(config)
	if err != nil {
		return nil, err
	}
	return doctor.Check(ctx, sites, offline), nil
}

// initCommand exits as a check does if one of what it has written failed.
func initCommand() *cobra.Command {
	cmd := initconfig.Command(checkConfig)
	write := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := write(cmd, args)
		if errors.Is(err, initconfig.ErrProblems) {
			return exitWith(cmd, exitProblems)
		}
		return err
	}
	return cmd
}

// exitWith ends a command with an exit code and without a word.
func exitWith(cmd *cobra.Command, code int) error {
	cmd.SilenceErrors = true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}
