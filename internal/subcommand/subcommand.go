// Package subcommand lets a package add a subcommand to `caddy spotify` without
// being imported by the plugin, so that only the programs that import it carry it.
package subcommand

import "github.com/spf13/cobra"

var constructors []func() *cobra.Command

// Register adds a subcommand to `caddy spotify`. It must be called from an init
// function: Caddy builds its commands after all of these have run.
func Register(newCommand func() *cobra.Command) {
	constructors = append(constructors, newCommand)
}

// All returns the registered subcommands, made for one parent.
func All() []*cobra.Command {
	commands := make([]*cobra.Command, 0, len(constructors))
	for _, newCommand := range constructors {
		commands = append(commands, newCommand())
	}
	return commands
}
