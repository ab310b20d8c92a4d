package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// profile writes what a server does as profiles, whose paths begin with the given
// one: where its CPU time goes, and who allocates how much.
func profile(ctx context.Context, c contender, path string) error {
	j := c.job
	j.Duration = 10 * time.Second
	for _, kind := range []struct{ name, query string }{
		{"cpu", "profile?seconds=10"},
		{"allocs", "allocs?seconds=10"},
	} {
		if err := profileOne(ctx, c.caddyProcess, j, kind.query, path+"-"+kind.name+".pprof"); err != nil {
			return fmt.Errorf("the %s profile: %w", kind.name, err)
		}
	}
	return nil
}

func profileOne(ctx context.Context, server *caddyProcess, j job, query, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	driven := make(chan error, 1)
	go func() {
		t, err := drive(ctx, server, j)
		fmt.Printf("%s: %d requests\n", path, t.all)
		driven <- err
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server.admin+"/debug/pprof/"+query, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, res.Body); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return <-driven
}
