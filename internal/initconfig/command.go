// Package initconfig is `caddy spotify init`: a Caddyfile written from a few answers.
package initconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/doctor"
)

// Command returns `caddy spotify init`. subjects is what doctor.Command takes.
func Command(subjects func(config []byte) ([]doctor.Subject, error)) *cobra.Command {
	var (
		given   = make(map[string]*string)
		output  string
		force   bool
		offline bool
	)
	cmd := &cobra.Command{
		Use:   "init [--client-id <id>] [--origin <url>] [--scopes <scopes>] [--root <folder>] [--output <file>] [--force] [--offline]",
		Short: "Writes a Caddyfile after asking what has to be in it",
		Long: `
Asks for the Client ID of the app, the address of the site, the scopes and the
folder of the pages, checks each answer, writes a Caddyfile, and runs the checks
of ` + "`caddy spotify check`" + ` on it, for which it asks Spotify whether it knows the
app (not with --offline).

What a flag says is not asked for. Without a terminal or other input the answers
that no flag gives are the defaults, and --client-id, or SPOTIFY_CLIENT_ID in the
environment, is required.

A file that exists is not overwritten without --force. It exits with 0 if all
checks passed, with 2 if one failed (the file is written and says what was
asked for), and with 1 if nothing was written.`,
		Example: `  $ caddy spotify init
  $ caddy spotify init --client-id 0123456789abcdef0123456789abcdef --origin https://app.example.com --root /srv/app`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if output == "-" {
				// The Caddyfile is the output, and all else must not be in it.
				out = cmd.ErrOrStderr()
			}
			if err := writable(output, force); err != nil {
				return err
			}
			d := dialog{in: newLines(cmd.InOrStdin()), out: out}
			var a answers
			for _, q := range questions(&a) {
				flag := ""
				if cmd.Flags().Changed(q.flag) {
					flag = *given[q.flag]
				}
				if err := d.ask(q, flag, cmd.Flags().Changed(q.flag)); err != nil {
					return err
				}
			}
			text, err := a.caddyfile()
			if err != nil {
				return err
			}
			// What Caddy would refuse is not written.
			config, err := doctor.Adapt("Caddyfile", "caddyfile", text)
			if err != nil {
				return err
			}
			sites, err := subjects(config)
			if err != nil {
				return err
			}
			if output == "-" {
				_, err = cmd.OutOrStdout().Write(text)
			} else {
				err = write(output, text, force)
			}
			if err != nil {
				return err
			}
			return finish(cmd, out, &a, output, sites, offline)
		},
	}
	flags := cmd.Flags()
	for _, q := range questions(new(answers)) {
		given[q.flag] = flags.String(q.flag, "", q.usage)
	}
	flags.StringVarP(&output, "output", "o", "Caddyfile", "File to write, or - for standard output")
	flags.BoolVar(&force, "force", false, "Overwrite the file if it exists")
	flags.BoolVar(&offline, "offline", false, "Ask nothing of Spotify")
	_ = cmd.MarkFlagFilename("output")
	_ = cmd.MarkFlagDirname("root")
	return cmd
}

// writable finds out before any question whether the answers would be for nothing.
func writable(output string, force bool) error {
	if output == "-" || force {
		return nil
	}
	if _, err := os.Stat(output); err == nil {
		return fmt.Errorf("%s exists: choose another name with --output, or overwrite it with --force", output)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// write creates the file. Without force a file that was created while the questions
// were answered is left alone as well.
func write(output string, text []byte, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(output, mode, 0o644) //nolint:gosec // a Caddyfile without secrets, which Caddy's user has to read
	if errors.Is(err, fs.ErrExist) {
		return writable(output, force)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// finish checks what was written and says how to go on.
func finish(cmd *cobra.Command, out io.Writer, a *answers, output string, sites []doctor.Subject, offline bool) error {
	report := doctor.Check(cmd.Context(), sites, offline)
	fmt.Fprintln(out)
	report.Print(out)
	run := "caddy run"
	switch {
	case output == "-":
		run += " --config <file>"
	case filepath.Clean(output) != "Caddyfile":
		run += " --config " + output
	}
	if output != "-" {
		fmt.Fprintf(out, "\nWrote %s. ", output)
	} else {
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, `Next:
  1. At https://developer.spotify.com/dashboard, add this to the app's Redirect URIs, letter for letter:
       %s
     and the accounts that will log in under User Management, five at most while the app is in development mode.
  2. %s
  3. Open %s
`, a.redirectURI(), run, a.origin)
	return report.Exit(cmd)
}
