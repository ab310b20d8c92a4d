// Package healthcheck asks a site's health endpoint, for containers that have no
// program for HTTP but Caddy.
package healthcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// DefaultURL is where the container image's site answers, within the container alone.
const DefaultURL = "http://127.0.0.1:2080/spotify/health"

// maxBody is how much of a response is read, in bytes.
const maxBody = 4 << 10

// Command returns `caddy spotify health`.
func Command() *cobra.Command {
	var (
		target  string
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "health [--url <url>] [--timeout <duration>]",
		Short: "Asks a site whether it is ready",
		Long: `
Requests a site's health endpoint, as a load balancer does, and exits with 0 if it
responds with 200 and with 1 if not. It is for the health check of a container in
which there is no other program that could ask.

Redirects are not followed: a site that redirects plain http to https needs an address
of its own for the health check, such as http://127.0.0.1:2080.`,
		Example: `  $ caddy spotify health
  $ caddy spotify health --url http://127.0.0.1:8080/spotify/health/live`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			said, err := ask(ctx, target)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&target, "url", DefaultURL, "Health endpoint of the site")
	flags.DurationVar(&timeout, "timeout", 4*time.Second, "How long to wait for the response")
	return cmd
}

// ask returns what a site that is ready says of itself.
func ask(ctx context.Context, target string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", fmt.Errorf("--url: %w", err)
	}
	// The environment's proxy is for what is outside of the container.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("no response: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return "", fmt.Errorf("reading the response: %w", err)
	}
	var health struct {
		Live   bool          `json:"live"`
		Ready  bool          `json:"ready"`
		Reason reason.Reason `json:"reason"`
	}
	notOurs := json.Unmarshal(body, &health) != nil || !health.Live
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return "", fmt.Errorf("%s redirects to %q: give --url an address that serves the site over plain http", target, res.Header.Get("Location"))
	case notOurs:
		return "", fmt.Errorf("%s is not a health endpoint of the proxy (status %d): --url must end with <prefix>/health or <prefix>/health/live", target, res.StatusCode)
	case res.StatusCode != http.StatusOK && health.Reason != "":
		return "", fmt.Errorf("not ready: %s", health.Reason)
	case res.StatusCode != http.StatusOK:
		return "", errors.New("not ready: " + res.Status)
	case health.Ready:
		return "ready", nil
	}
	return "live", nil
}
