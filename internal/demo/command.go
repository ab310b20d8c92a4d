package demo

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/subcommand"
)

func init() {
	subcommand.Register(command)
}

func command() *cobra.Command {
	var (
		options     Options
		printConfig bool
	)
	cmd := &cobra.Command{
		Use:   "demo [--site <folder>] [--listen <addr>] [--token-life <duration>] [--debug] [--json | --print-config]",
		Short: "Shows the proxy at work, with a simulated Spotify",
		Long: `
Starts a simulated Spotify, Caddy with spotify_proxy in front of it, and a page
that calls the Web API through the proxy. It needs no Spotify account and no
network, opens no browser and writes no file.

With --site it runs a site of your own instead of the page: the Caddyfile in
that folder, as it is for the real Spotify, but with the simulated one. What the
folder examples holds is started in this way.

If the usual port is taken, the demo moves to a free one. A port that --listen
names has to be free, and 0 is any. The simulated Spotify has a port of its own,
another one each time. Ctrl-C ends it.`,
		Example: `  $ caddy spotify demo
  $ caddy spotify demo --listen 9000 --token-life 20s
  $ caddy spotify demo --site examples/plain
  $ caddy spotify demo --print-config`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Out = cmd.OutOrStdout()
			if printConfig {
				return PrintConfig(options)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), stopSignals...)
			defer stop()
			// A second Ctrl-C ends the process the hard way.
			context.AfterFunc(ctx, stop)
			return Run(ctx, options)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&options.Listen, "listen", "l", "",
		"Port, or loopback address with port, to listen on (default "+DefaultListen+", or a free port)")
	flags.StringVarP(&options.Site, "site", "s", "", "Folder with the Caddyfile of a site to run with the simulated Spotify")
	flags.DurationVar(&options.TokenLife, "token-life", DefaultTokenLife, "Life of access tokens")
	flags.BoolVarP(&options.Debug, "debug", "v", false, "Log everything that Caddy does")
	flags.BoolVar(&options.JSON, "json", false, "Print where the demo is as one line of JSON")
	flags.BoolVar(&printConfig, "print-config", false, "Print the Caddyfile of the demo and do nothing else")
	cmd.MarkFlagsMutuallyExclusive("json", "print-config")
	return cmd
}

// stopSignals end a demo cleanly.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
