package caddyspotify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/session"
)

// adminFlags say where a command finds the admin API of a running Caddy.
type adminFlags struct {
	address string
	config  configFlags
}

func (f *adminFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.address, "address", "", "Address of the admin API (default from --config, or "+caddy.DefaultAdminListen+")")
	f.config.add(cmd, "to take the admin API's address from (default none)")
}

// call calls the admin API and decodes its answer.
func (f *adminFlags) call(method, uri string, into any) error {
	address, err := f.find()
	if err != nil {
		return err
	}
	res, err := caddycmd.AdminAPIRequest(address, method, adminBase+uri, nil, nil)
	if err != nil {
		return fmt.Errorf("asking the admin API at %s: %w", address, err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the admin API's response: %w", err)
	}
	return nil
}

func (f *adminFlags) find() (string, error) {
	if f.address != "" || f.config.file == "" {
		if f.address != "" {
			return f.address, nil
		}
		return caddy.DefaultAdminListen, nil
	}
	config, err := f.config.load()
	if err != nil {
		return "", err
	}
	var parsed struct {
		Admin caddy.AdminConfig `json:"admin"`
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		return "", fmt.Errorf("reading the configuration: %w", err)
	}
	if parsed.Admin.Disabled {
		return "", errors.New("the configuration turns the admin API off: remove `admin off` from its global options")
	}
	if parsed.Admin.Listen == "" {
		return caddy.DefaultAdminListen, nil
	}
	return parsed.Admin.Listen, nil
}

func sessionsCommand() *cobra.Command {
	var (
		admin   adminFlags
		account string
		limit   int
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "sessions [--account <id>] [--limit <n>] [--address <address>] [--json]",
		Short: "Lists the sessions of a running Caddy",
		Long: `
Lists the sessions and access keys in the token stores of a running Caddy, whether
they are in its memory or not. Each goes by a reference, which logs and events
show, too. It is of no use to anybody but "caddy spotify revoke".`,
		Example: `  $ caddy spotify sessions
  $ caddy spotify sessions --account 6gY5IRPwmSgvhfRLwGhTKh --json`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return fmt.Errorf("limit %d is negative: give how many sessions to list, or 0 for all", limit)
			}
			list, err := fetchSessions(&admin, account, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printSessions(cmd.OutOrStdout(), list)
		},
	}
	admin.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&account, "account", "", "List the sessions of this account only, named by its account_id or the user's id")
	flags.IntVar(&limit, "limit", 0, "List no more than this many sessions (default all)")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

// fetchSessions gets the sessions page by page, up to a limit if there is one.
func fetchSessions(admin *adminFlags, account string, limit int) (*session.Page, error) {
	all := &session.Page{Sessions: []session.Listed{}}
	for cursor := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(maxPage)}}
		if limit > 0 {
			query.Set("limit", strconv.Itoa(min(maxPage, limit-len(all.Sessions))))
		}
		if account != "" {
			query.Set("account", account)
		}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page session.Page
		if err := admin.call(http.MethodGet, "sessions?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all.Sessions = append(all.Sessions, page.Sessions...)
		all.Total = page.Total
		if cursor = page.NextCursor; cursor == "" || limit > 0 && len(all.Sessions) >= limit {
			return all, nil
		}
	}
}

func printSessions(w io.Writer, list *session.Page) error {
	if list.Total == 0 {
		_, err := fmt.Fprintln(w, "There are no sessions.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SESSION\tKIND\tACCOUNT\tSINCE\tEXPIRES\tIN USE AT")
	for _, s := range list.Sessions {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Session, cmp.Or(s.Kind, "session"), orDash(s.Account),
			s.CreatedAt.Format(time.DateTime), s.ExpiresAt.Format(time.DateTime), orDash(s.Site))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d of %d sessions. Times are UTC.\n", len(list.Sessions), list.Total)
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func revokeCommand() *cobra.Command {
	var (
		admin   adminFlags
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
			list, err := fetchSessions(&admin, account, defaultPage)
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
			all := endedSessions{Ended: []string{}}
			for _, path := range paths {
				var ended endedSessions
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
