package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

const (
	// shortLife is the life of tokens when their refresh is watched. The proxy
	// refreshes them when half of it is left.
	shortLife = 16 * time.Second
	// refreshTakes is how long the token endpoint takes.
	refreshTakes = 500 * time.Millisecond
	// moment is the time around a refresh that is compared with the rest.
	moment = time.Second
	// refreshEvery is the time between two requests, over all connections: few
	// enough that none has to wait for another.
	refreshEvery = time.Second / 1500
	// spreadSessions is how many sessions have their tokens refreshed one after
	// the other, and rushSessions how many at once.
	spreadSessions = 4
	rushSessions   = 100
)

// refreshMoment compares the slowest requests of when a token is being refreshed
// with those of the rest of the time. All sessions are in use. If they were
// logged in at once, their tokens are refreshed at once.
func refreshMoment(ctx context.Context, sc scenario, s settings) error {
	up, err := startUpstream(ctx, upstreamOptions{TokenLife: shortLife, RefreshTakes: refreshTakes})
	if err != nil {
		return err
	}
	defer up.stop()
	proxy, err := startCaddy(ctx, up.addr, sc, s, proxyCaddyfile)
	if err != nil {
		return err
	}
	defer proxy.stop()
	groups, each := spreadSessions, 1
	if sc.rush {
		groups, each = 1, rushSessions
	}
	var cookies []string
	for i := range groups {
		if i > 0 {
			time.Sleep(shortLife / 2 / time.Duration(groups))
		}
		more, err := logIn(ctx, proxy, each, s.connections)
		if err != nil {
			return err
		}
		cookies = append(cookies, more...)
	}
	j := sc.job(proxy, "/spotify", cookies, s)
	j.Every = refreshEvery
	j.Duration = max(time.Duration(s.rounds)*s.duration(), shortLife)
	r, err := startLoad(ctx, j)
	if err != nil {
		return err
	}
	if r.Failed > 0 {
		return fmt.Errorf("%d of %d requests failed, the first with: %s\n%s", r.Failed, r.All, r.Failure, proxy.log())
	}
	refreshes, err := refreshesOf(ctx, up.addr)
	if err != nil {
		return err
	}
	var during, elsewhere []time.Duration
	moments := beginnings(refreshes)
	for i, latency := range r.Latencies {
		if within(r.Began[i], moments) {
			during = append(during, latency)
		} else {
			elsewhere = append(elsewhere, latency)
		}
	}
	if len(during) == 0 || len(elsewhere) == 0 {
		return fmt.Errorf("there was no refresh to watch in %s", j.Duration)
	}
	reportRefresh(os.Stdout, sc, len(refreshes), len(moments), during, elsewhere)
	return nil
}

// beginnings returns when each rush of refreshes began.
func beginnings(refreshes []time.Time) []time.Time {
	var moments []time.Time
	for _, at := range refreshes {
		if len(moments) == 0 || at.Sub(moments[len(moments)-1]) > moment {
			moments = append(moments, at)
		}
	}
	return moments
}

// within reports whether a request began while refreshes were under way, or so
// shortly before that it may have been the one that started them.
func within(at time.Time, moments []time.Time) bool {
	for _, m := range moments {
		if since := at.Sub(m); since > -moment/10 && since < moment*9/10 {
			return true
		}
	}
	return false
}

func refreshesOf(ctx context.Context, addr string) ([]time.Time, error) {
	client := newClient(1)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/refreshes", nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var refreshes []time.Time
	if err := json.NewDecoder(res.Body).Decode(&refreshes); err != nil {
		return nil, fmt.Errorf("reading when refreshes began: %w", err)
	}
	return refreshes, nil
}
