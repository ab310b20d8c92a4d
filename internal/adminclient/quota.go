package adminclient

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
	"github.com/caddyspotify/caddy-spotify/internal/quota"
)

func quotaCommand() *cobra.Command {
	var (
		admin  apiFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "quota [--address <address>] [--json]",
		Short: "Shows what was sent to Spotify in the last day",
		Long: `
Shows how many requests each app has sent to Spotify's Web API in the last 24
hours, by operation, and by who caused them: an account, an access key (by its
reference), a path of the shared account, or logins. Instances that share Caddy's
storage are counted together.

USED are the requests that Spotify served, REFUSED those that it refused with a
429, and HELD those that were not sent because the budget was used up (quota).

Spotify does not tell the size of its quota. What had been used when it first said
QUOTA_EXCEEDED is shown as its likely size.`,
		Example: `  $ caddy spotify quota
  $ caddy spotify quota --json`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all adminapi.Quotas
			if err := admin.call(http.MethodGet, "quota", &all); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printQuotas(cmd.OutOrStdout(), &all)
		},
	}
	admin.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func printQuotas(w io.Writer, all *adminapi.Quotas) error {
	if len(all.Apps) == 0 {
		_, err := fmt.Fprintln(w, "There are no apps.")
		return err
	}
	for i, app := range all.Apps {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := printQuota(w, &app); err != nil {
			return err
		}
	}
	return nil
}

func printQuota(w io.Writer, app *adminapi.AppQuota) error {
	fmt.Fprintf(w, "App %s: %d requests in the last 24 hours", app.ClientID, app.Used)
	if app.Budget > 0 {
		fmt.Fprintf(w, ", %d%% of the budget of %d", app.Used*100/app.Budget, app.Budget)
	}
	fmt.Fprintf(w, ". Refused by Spotify: %d. Held back: %d.\n", app.Refused, app.Held)
	for _, o := range app.Observed {
		fmt.Fprintf(w, "Likely size of the quota of %s: %d, or %d of all operations (exceeded at %s UTC).\n",
			printable(o.Operation), o.Used, o.UsedInAll, o.At.UTC().Format(time.DateTime))
	}
	if app.Error != "" {
		fmt.Fprintf(w, "Counts of other instances may be missing: %s\n", app.Error)
	}
	for _, part := range []struct {
		title  string
		counts []quota.Count
	}{{"OPERATION", app.Operations}, {"CALLER", app.Callers}} {
		if len(part.counts) == 0 {
			continue
		}
		fmt.Fprintln(w)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintf(table, "%s\tUSED\tREFUSED\tHELD\n", part.title)
		for _, c := range part.counts {
			name := printable(c.Name)
			if c.Kind != quota.Operation && c.Kind != quota.Login {
				name = string(c.Kind) + " " + name
			}
			fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", name, c.Used, c.Refused, c.Held)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}
