package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// logIn logs n sessions in as browsers would, a few at a time, and returns
// their cookies.
func logIn(ctx context.Context, server *caddyProcess, n, atOnce int) ([]string, error) {
	client := newClient(atOnce)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cookies := make([]string, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, atOnce) {
		wg.Go(func() {
			for i := range next {
				cookie, err := logInOne(ctx, client, server.url())
				if err != nil {
					cancel(err)
				}
				cookies[i] = cookie
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("logging in: %w\n%s", context.Cause(ctx), server.log())
	}
	return cookies, nil
}

func newClient(connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: connections,
			MaxConnsPerHost:     connections,
			TLSClientConfig:     trusting.Clone(),
		},
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// logInOne returns a new session's cookie.
func logInOne(ctx context.Context, client *http.Client, url string) (string, error) {
	location, pending, err := navigate(ctx, client, url+"/spotify/login", "")
	if err != nil {
		return "", err
	}
	if location, _, err = navigate(ctx, client, location, ""); err != nil {
		return "", err
	}
	_, cookies, err := navigate(ctx, client, location, pending)
	if err != nil {
		return "", err
	}
	for cookie := range strings.SplitSeq(cookies, "; ") {
		if strings.HasPrefix(strings.TrimPrefix(cookie, "__Host-"), "spotify_session=") {
			return cookie, nil
		}
	}
	return "", errors.New("a login ended without a session")
}

// navigate visits a page that redirects, and returns where to, and the cookies
// that it set.
func navigate(ctx context.Context, client *http.Client, url, cookies string) (location, set string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	if cookies != "" {
		req.Header.Set("Cookie", cookies)
	}
	res, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if res.StatusCode/100 != 3 {
		return "", "", fmt.Errorf("%s was answered with status %d: %.300s", req.URL.Path, res.StatusCode, body)
	}
	var list []string
	for _, c := range res.Cookies() {
		if c.MaxAge >= 0 {
			list = append(list, c.Name+"="+c.Value)
		}
	}
	return res.Header.Get("Location"), strings.Join(list, "; "), nil
}
