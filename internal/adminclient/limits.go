package adminclient

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
)

func limitsCommand() *cobra.Command {
	var (
		admin    apiFlags
		open     string
		clientID string
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "limits [--open {<name> | all}] [--client-id <id>] [--address <address>] [--json]",
		Short: "Lists what Spotify limits, and opens it",
		Long: `
Lists the operations, families of operations and apps that Spotify has refused with
429 and for which a running Caddy responds 429 itself, until when, and when the next
request goes to Spotify to see.

With --open it sends requests again at once: for the operation or the family of that
name, for the app ("app"), or for all. Spotify counts them and may refuse them again.
Each instance of a cluster has limits of its own.`,
		Example: `  $ caddy spotify limits
  $ caddy spotify limits --open "GET /me/player"
  $ caddy spotify limits --open all`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if open == "" {
				var list adminapi.Limits
				if err := admin.call(http.MethodGet, "limits", &list); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), list)
				}
				return printLimits(cmd.OutOrStdout(), list)
			}
			uri := "limits/" + url.PathEscape(open)
			if clientID != "" {
				uri += "?" + url.Values{"client_id": {clientID}}.Encode()
			}
			var opened adminapi.Opened
			if err := admin.call(http.MethodDelete, uri, &opened); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), opened)
			}
			return printOpened(cmd.OutOrStdout(), opened)
		},
	}
	admin.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&open, "open", "", "Send requests again for what has this name, or for all")
	flags.StringVar(&clientID, "client-id", "", "With --open, only for this app (default every app of the configuration)")
	flags.BoolVar(&asJSON, "json", false, "Print JSON")
	_ = cmd.RegisterFlagCompletionFunc("open", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var list adminapi.Limits
		if err := admin.call(http.MethodGet, "limits", &list); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names := []cobra.Completion{"all"}
		for _, l := range list.Limits {
			names = append(names, cobra.CompletionWithDesc(printable(l.Name), string(l.Reason)))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func printLimits(w io.Writer, list adminapi.Limits) error {
	if len(list.Limits) == 0 {
		_, err := fmt.Fprintln(w, "Nothing is limited.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLIENT ID\tSCOPE\tNAME\tREASON\tSINCE\tUNTIL\tNEXT PROBE")
	for _, l := range list.Limits {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ClientID, l.Scope, printable(l.Name), l.Reason,
			l.Since.Format(time.DateTime), l.Until.Format(time.DateTime), l.NextProbe.Format(time.DateTime))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nTimes are UTC.")
	return err
}

func printOpened(w io.Writer, opened adminapi.Opened) error {
	if len(opened.Opened) == 0 {
		_, err := fmt.Fprintln(w, "Nothing of that name is limited.")
		return err
	}
	var names []string
	for _, l := range opened.Opened {
		names = append(names, printable(l.Name))
	}
	_, err := fmt.Fprintf(w, "Opened %s.\n", strings.Join(names, ", "))
	return err
}

// printable is a name for a terminal. One that is not an operation's has words of a
// client's in it.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(name)
	}
	return name
}
