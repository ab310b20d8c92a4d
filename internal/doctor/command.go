package doctor

import (
	"encoding/json"
	"errors"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Command returns `caddy spotify check`. subjects returns the sites of a config, given as
// JSON, as the checks see them.
func Command(subjects func(config []byte) ([]Subject, error)) *cobra.Command {
	var (
		config        ConfigFlags
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
			report, err := runCheck(cmd, &config, subjects, quick)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if err := enc.Encode(report); err != nil {
					return err
				}
			} else {
				report.Print(cmd.OutOrStdout())
			}
			return report.Exit(cmd)
		},
	}
	config.Add(cmd, "to check (default Caddyfile)")
	flags := cmd.Flags()
	flags.BoolVar(&quick, "offline", false, "Ask nothing of Spotify")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func runCheck(cmd *cobra.Command, config *ConfigFlags, subjects func([]byte) ([]Subject, error), offline bool) (*Report, error) {
	text, err := config.Load()
	if errors.Is(err, ErrAdapt) {
		return &Report{Sites: []SiteReport{{Site: "config", Checks: []CheckResult{{Check: "config", Status: CheckFailed, Message: err.Error()}}}}}, nil
	}
	if err != nil {
		return nil, err
	}
	sites, err := subjects(text)
	if err != nil {
		return nil, err
	}
	return Check(cmd.Context(), sites, offline), nil
}

// exitProblems is the exit code of a command that found something wrong.
const exitProblems = 2

// Exit ends a command that has printed the report: with 0 if all checks passed, and
// otherwise with 2 and without a word.
func (r *Report) Exit(cmd *cobra.Command) error {
	if r.OK {
		return nil
	}
	cmd.SilenceErrors = true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitProblems, nil })(cmd, nil)
}
