package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// profile writes a CPU profile of a server that does a job.
func profile(ctx context.Context, server *caddyProcess, j job, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.Duration = 10 * time.Second
	driven := make(chan error, 1)
	go func() {
		_, err := drive(ctx, server, j)
		driven <- err
	}()
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", server.admin, max(1, int(j.Duration.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking for a profile: %w", err)
	}
	defer res.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, res.Body); err != nil {
		return fmt.Errorf("reading a profile: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return <-driven
}
