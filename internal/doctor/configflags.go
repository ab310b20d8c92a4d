package doctor

import "github.com/spf13/cobra"

// ConfigFlags say where a command finds its config.
type ConfigFlags struct {
	File    string // "" is the Caddyfile in the working directory
	adapter string
	env     []string
}

// Add adds the flags. The use is what the command takes from the config.
func (f *ConfigFlags) Add(cmd *cobra.Command, use string) {
	flags := cmd.Flags()
	flags.StringVarP(&f.File, "config", "c", "", "Configuration file, or - for standard input "+use)
	flags.StringVarP(&f.adapter, "adapter", "a", "", "Name of the adapter of the configuration, if the file's name does not tell")
	flags.StringSliceVar(&f.env, "envfile", nil, "Environment file to load; may be given several times")
	_ = cmd.MarkFlagFilename("config")
	_ = cmd.MarkFlagFilename("envfile")
	_ = cmd.RegisterFlagCompletionFunc("adapter", cobra.FixedCompletions([]string{"caddyfile"}, cobra.ShellCompDirectiveNoFileComp))
}

// Load reads the config and returns it as JSON.
func (f *ConfigFlags) Load() ([]byte, error) {
	if err := LoadEnvFiles(f.env); err != nil {
		return nil, err
	}
	return LoadConfig(f.File, f.adapter)
}
