package buildinfo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// Command returns `caddy spotify version`.
func Command() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version [--json]",
		Short: "Shows the versions of the plugin, Caddy and Go",
		Long: `
Shows the versions of the plugin, Caddy and Go that this program was built with, and
the plugin's commit where the build knows it. "caddy version" shows Caddy's alone.`,
		Example: `  $ caddy spotify version
  $ caddy spotify version --json`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := Read()
			if !asJSON {
				return info.print(cmd.OutOrStdout())
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(info)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

func (i Info) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	row("caddy-spotify", i.Plugin)
	commit := i.Commit
	if commit != "" && i.Time != "" {
		commit += " of " + i.Time
	}
	if commit != "" && i.Modified {
		commit += ", modified"
	}
	row("commit", commit)
	row("replaced by", i.Replaced)
	row("caddy", i.Caddy)
	row("go", i.Go+" "+i.Platform)
	row("tags", strings.Join(i.Tags, " "))
	return table.Flush()
}
