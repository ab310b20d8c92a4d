package caddyspotify

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/adminclient"
	"github.com/caddyspotify/caddy-spotify/internal/buildinfo"
	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/healthcheck"
	"github.com/caddyspotify/caddy-spotify/internal/initconfig"
	"github.com/caddyspotify/caddy-spotify/internal/subcommand"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "spotify",
		Usage: "<command>",
		Short: "Commands of the Spotify proxy",
		Long:  "Commands that come with spotify_proxy, the proxy for the Spotify Web API.",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			cmd.AddCommand(doctor.Command(subjectsOf), initconfig.Command(subjectsOf), buildinfo.Command(), healthcheck.Command())
			cmd.AddCommand(adminclient.Commands()...)
			cmd.AddCommand(subcommand.All()...)
		},
	})
}
