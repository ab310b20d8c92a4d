package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// streams is how many streams are open at once, and perSession how many of them
	// have one cookie.
	streams    = 10_000
	perSession = 25
	// changes is how many changes are timed.
	changes = 10
)

// listen opens streams of one account's player, and times changes from the response to
// the command that makes them to the last stream.
func listen(ctx context.Context, sc scenario, s settings) error {
	up, err := startUpstream(ctx, upstreamOptions{TokenLife: time.Hour, OneAccount: true})
	if err != nil {
		return err
	}
	defer up.stop()
	server, err := startCaddy(ctx, up.addr, sc, s, proxyCaddyfile)
	if err != nil {
		return err
	}
	defer server.stop()
	path, sessions := "/spotify/events", streams/perSession
	if sc.share {
		path, sessions = "/spotify/share/events", 1
		if err := connectShare(ctx, server.url()); err != nil {
			return fmt.Errorf("connecting the account: %w\n%s", err, server.log())
		}
	}
	cookies, err := logIn(ctx, server, sessions, s.connections)
	if err != nil {
		return err
	}
	before, err := server.resident()
	if err != nil {
		return err
	}
	heard := make(chan error, streams)
	for i := range streams {
		cookie := ""
		if !sc.share {
			cookie = "Cookie: " + cookies[i/perSession] + "\r\n"
		}
		if err := openStream(server.addr, path, cookie, heard); err != nil {
			return fmt.Errorf("stream %d: %w", i, err)
		}
	}
	if err := awaitAll(heard); err != nil {
		return err
	}
	open, err := server.resident()
	if err != nil {
		return err
	}
	var lags []time.Duration
	cpuBefore, err := server.cpu()
	if err != nil {
		return err
	}
	for range changes {
		lag, err := change(ctx, server.url(), cookies[0], heard)
		if err != nil {
			return err
		}
		lags = append(lags, lag)
	}
	cpuAfter, err := server.cpu()
	if err != nil {
		return err
	}
	after, err := server.resident()
	if err != nil {
		return err
	}
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	fmt.Printf("%d streams, HTTP/1.1, %d sessions; resident memory of the server, connections included: %.1f KiB a stream once open, %.1f KiB after %d changes\n",
		streams, len(cookies), float64(open-before)/streams/1024, float64(after-before)/streams/1024, changes)
	fmt.Printf("from the response to a command to the last stream, the 300 ms until it is asked included: p50 %v, longest %v; CPU time of a change: %v\n",
		percentile(lags, 50).Round(time.Millisecond), percentile(lags, 100).Round(time.Millisecond), ((cpuAfter - cpuBefore) / changes).Round(time.Millisecond))
	asked, err := askedPlayer(ctx, up.addr)
	if err != nil {
		return err
	}
	fmt.Printf("the API was asked for the player %d times, %d at once at most\n", asked.Requests, asked.AtOnce)
	return nil
}

// connectShare connects the account that is shared.
func connectShare(ctx context.Context, url string) error {
	client := newClient(1)
	defer client.CloseIdleConnections()
	location, pending, err := navigate(ctx, client, url+"/spotify/share/connect", "")
	if err != nil {
		return err
	}
	if location, _, err = navigate(ctx, client, location, ""); err != nil {
		return err
	}
	_, _, err = navigate(ctx, client, location, pending)
	return err
}

// playerAsked is how often an upstream was asked for the player, and how often at once.
type playerAsked struct{ Requests, AtOnce int64 }

func askedPlayer(ctx context.Context, addr string) (asked playerAsked, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/asked", nil)
	if err != nil {
		return asked, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return asked, err
	}
	defer res.Body.Close()
	return asked, json.NewDecoder(res.Body).Decode(&asked)
}

// awaitAll waits until each stream has had an event.
func awaitAll(heard <-chan error) error {
	limit := time.After(time.Minute)
	for n := range streams {
		select {
		case err := <-heard:
			if err != nil {
				return err
			}
		case <-limit:
			return fmt.Errorf("only %d of %d streams had an event", n, streams)
		}
	}
	return nil
}

// change has the next track played and returns how long it takes until all streams
// have heard of it.
func change(ctx context.Context, url, cookie string, heard <-chan error) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/spotify/v1/me/player/next", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Cookie", cookie)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	began := time.Now()
	if err := awaitAll(heard); err != nil {
		return 0, err
	}
	lag := time.Since(began)
	time.Sleep(2 * time.Second) // for the second look
	return lag, nil
}

// openStream opens a stream, and says of each event of it that it was heard.
func openStream(addr, path, cookie string, heard chan<- error) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%sSec-Fetch-Site: same-origin\r\nAccept: text/event-stream\r\n\r\n", path, addr, cookie); err != nil {
		return err
	}
	go func() {
		r := bufio.NewReaderSize(conn, 4096)
		for first := true; ; first = false {
			line, err := r.ReadSlice('\n')
			switch {
			case errors.Is(err, bufio.ErrBufferFull):
				continue
			case err != nil:
				return // the server has stopped
			case first && !bytes.Contains(line, []byte(" 200 ")):
				heard <- fmt.Errorf("response %q", line)
				return
			case bytes.HasPrefix(line, []byte("event: player")):
				heard <- nil
			}
		}
	}()
	return nil
}

// resident returns how much memory the process has.
func (p *process) resident() (int64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("reading the memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of the process")
}
