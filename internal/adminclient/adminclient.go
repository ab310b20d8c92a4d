// Package adminclient has the commands of `caddy spotify` that ask a running Caddy,
// through its admin API, and what these share with the others.
package adminclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/adminapi"
	"github.com/caddyspotify/caddy-spotify/internal/doctor"
)

// Commands returns the commands, made for one parent.
func Commands() []*cobra.Command {
	return []*cobra.Command{sessionsCommand(), revokeCommand(), limitsCommand(), quotaCommand()}
}

// apiFlags say where a command finds the admin API of a running Caddy.
type apiFlags struct {
	address string
	config  doctor.ConfigFlags
}

func (f *apiFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.address, "address", "", "Address of the admin API (default from --config, or "+caddy.DefaultAdminListen+")")
	f.config.Add(cmd, "to take the admin API's address from (default none)")
}

// call calls the admin API and decodes its response.
func (f *apiFlags) call(method, uri string, into any) error {
	address, err := f.find()
	if err != nil {
		return err
	}
	res, err := caddycmd.AdminAPIRequest(address, method, adminapi.Base+uri, nil, nil)
	if err != nil {
		return fmt.Errorf("asking the admin API at %s: %w", address, err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the admin API's response: %w", err)
	}
	return nil
}

func (f *apiFlags) find() (string, error) {
	if f.address != "" || f.config.File == "" {
		if f.address != "" {
			return f.address, nil
		}
		return caddy.DefaultAdminListen, nil
	}
	config, err := f.config.Load()
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

// printJSON writes a value as JSON that people can read.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
