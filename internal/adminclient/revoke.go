package adminclient

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
)

func revokeCommand() *cobra.Command {
	var (
		admin   apiFlags
		account string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "revoke {<session>... | --account <id>} [--address <address>] [--json]",
		Short: "Ends sessions of a running Caddy",
		Long: `
Ends sessions and access keys in the token store, and so on every instance that
shares it: the ones named by their references, or all of an account. Whoever had
one has to log in, or to create a key, again.

The app keeps its permission for the account until the user removes it at
https://www.spotify.com/account/apps.`,
		Example: `  $ caddy spotify revoke 6d21519001db
  $ caddy spotify revoke --account 6gY5IRPwmSgvhfRLwGhTKh`,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			list, err := fetchSessions(&admin, account, "", adminapi.DefaultPage)
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			var refs []cobra.Completion
			for _, s := range list.Sessions {
				refs = append(refs, cobra.CompletionWithDesc(s.Session, s.Account))
			}
			return refs, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, sessions []string) error {
			if (len(sessions) == 0) == (account == "") {
				return errors.New("name either sessions, as `caddy spotify sessions` lists them, or an account with --account")
			}
			paths := []string{"accounts/" + url.PathEscape(account) + "/sessions"}
			if account == "" {
				paths = nil
				for _, s := range sessions {
					paths = append(paths, "sessions/"+url.PathEscape(s))
				}
			}
			all := adminapi.Ended{Ended: []string{}}
			for _, path := range paths {
				var ended adminapi.Ended
				if err := admin.call(http.MethodDelete, path, &ended); err != nil {
					if len(all.Ended) > 0 {
						err = fmt.Errorf("after ending %s: %w", strings.Join(all.Ended, ", "), err)
					}
					return err
				}
				all.Ended = append(all.Ended, ended.Ended...)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printEnded(cmd.OutOrStdout(), all.Ended)
		},
	}
	admin.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&account, "account", "", "End all sessions of this account, named by its account_id or the user's id")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func printEnded(w io.Writer, ended []string) error {
	switch len(ended) {
	case 0:
		_, err := fmt.Fprintln(w, "No sessions to end.")
		return err
	case 1:
		_, err := fmt.Fprintf(w, "Ended session %s.\n", ended[0])
		return err
	}
	_, err := fmt.Fprintf(w, "Ended %d sessions: %s.\n", len(ended), strings.Join(ended, ", "))
	return err
}
