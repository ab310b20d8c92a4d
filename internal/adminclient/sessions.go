package adminclient

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
	"github.com/caddyspotify/caddy-spotify/internal/session"
)

func sessionsCommand() *cobra.Command {
	var (
		admin   apiFlags
		account string
		due     string
		limit   int
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "sessions [--account <id>] [--due <duration>] [--limit <n>] [--address <address>] [--json]",
		Short: "Lists the sessions of a running Caddy",
		Long: `
Lists the sessions and access keys in the token stores of a running Caddy, whether
they are in its memory or not. Each goes by a reference, which logs and events
show, too. It is of no use to anybody but "caddy spotify revoke".

With --due, it lists those that have to be authorized again within a time, because
Spotify ends their access or because they end themselves.`,
		Example: `  $ caddy spotify sessions
  $ caddy spotify sessions --due 30d
  $ caddy spotify sessions --account 6gY5IRPwmSgvhfRLwGhTKh --json`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return fmt.Errorf("limit %d is negative: give how many sessions to list, or 0 for all", limit)
			}
			list, err := fetchSessions(&admin, account, due, limit)
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
	flags.StringVar(&due, "due", "", "List those only that have to be authorized again within this time, such as 30d")
	flags.IntVar(&limit, "limit", 0, "List no more than this many sessions (default all)")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

// fetchSessions gets the sessions page by page, up to a limit if there is one.
func fetchSessions(admin *apiFlags, account, due string, limit int) (*session.Page, error) {
	all := &session.Page{Sessions: []session.Listed{}}
	for cursor := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(adminapi.MaxPage)}}
		if limit > 0 {
			query.Set("limit", strconv.Itoa(min(adminapi.MaxPage, limit-len(all.Sessions))))
		}
		if account != "" {
			query.Set("account", account)
		}
		if due != "" {
			query.Set("due", due)
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
	fmt.Fprintln(table, "SESSION\tKIND\tACCOUNT\tSINCE\tEXPIRES\tREAUTHORIZE BY\tIN USE AT")
	for _, s := range list.Sessions {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Session, cmp.Or(s.Kind, "session"), orDash(s.Account),
			s.CreatedAt.Format(time.DateTime), s.ExpiresAt.Format(time.DateTime), s.ReauthorizeBy.Format(time.DateTime), orDash(s.Site))
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
