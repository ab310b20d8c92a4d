package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// asked is something that is asked for a page of the Web API, and how long that took.
type asked struct {
	name               string
	server             *caddyProcess // nil if the API itself is asked
	job                job
	client             *http.Client // for single requests
	warm, cold, reload []time.Duration
}

// askDirectly asks an API without anything in between.
func askDirectly(addr, cert string) (*asked, error) {
	config, err := trusted(cert)
	if err != nil {
		return nil, err
	}
	return &asked{
		name: "no proxy", job: job{Address: addr, Secure: true, Method: http.MethodGet, Path: "/v1" + smallPacked},
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}},
	}, nil
}

// askThrough asks through a Caddy of its own.
func askThrough(ctx context.Context, sc scenario, s settings, name, store string, up *process, caddyfile func(upstreamAddr, addr string, sc scenario) string) (*asked, error) {
	var err error
	if sc.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	sc.far, sc.store = up.far, cmp.Or(store, "memory")
	a := &asked{name: name, client: &http.Client{Transport: new(http.Transport)}}
	if a.server, err = startCaddy(ctx, up.addr, sc, s, caddyfile); err != nil {
		return nil, err
	}
	prefix := ""
	var cookies []string
	if store != "" {
		prefix = "/spotify"
		if cookies, err = logIn(ctx, a.server, latencySessions, 4); err != nil {
			a.server.stop()
			return nil, err
		}
	}
	a.job = job{Address: a.server.addr, Method: http.MethodGet, Path: prefix + "/v1" + smallPacked, Cookies: cookies}
	return a, nil
}

// latencySessions is how many sessions are in use.
const latencySessions = 8

func (a *asked) stop() {
	a.client.CloseIdleConnections()
	if a.server != nil {
		a.server.stop()
	}
}

// once asks once and returns how long it took.
func (a *asked) once(ctx context.Context) (time.Duration, error) {
	scheme := "http"
	if a.job.Secure {
		scheme = "https"
	} else {
		// After a reload or a while the server may have closed it. A browser on the same
		// machine has it open again in no time.
		a.client.CloseIdleConnections()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+a.job.Address+a.job.Path, nil)
	if err != nil {
		return 0, err
	}
	for name, value := range a.job.headers() {
		req.Header.Set(name, value)
	}
	if len(a.job.Cookies) > 0 {
		req.Header.Set("Cookie", a.job.Cookies[0])
	}
	began := time.Now()
	res, err := a.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s", res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return time.Since(began), err
}
