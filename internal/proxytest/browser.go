package proxytest

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Browser is a client that behaves as one person's browser does: it keeps
// cookies and sends Fetch Metadata. Methods that send a target take a URL, or a
// path at the proxy, and let the test fail if no response comes.
type Browser struct {
	*Proxy
	// Client sends the requests. It does not follow redirects.
	Client *http.Client
	// Jar has the cookies, also while Client does not use it.
	Jar *cookiejar.Jar
}

// NewBrowser returns a browser without cookies.
func (p *Proxy) NewBrowser() *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.T.Fatal(err)
	}
	return &Browser{
		Proxy: p,
		Jar:   jar,
		Client: &http.Client{
			Jar:           jar,
			Timeout:       patience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Do sends a request with the headers that the edits give it and no others.
func (b *Browser) Do(method, target, body string, edits ...Edit) Response {
	b.T.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.Origin + target
	}
	send := func() (*http.Response, error) {
		var reader io.Reader
		if body != "" {
			reader = strings.NewReader(body)
		}
		req, err := http.NewRequest(method, target, reader)
		if err != nil {
			b.T.Fatal(err)
		}
		for _, e := range edits {
			e(req)
		}
		return b.Client.Do(req)
	}
	resp, err := send()
	for tries := 0; errors.Is(err, io.EOF) && method == http.MethodGet && tries < 5; tries++ {
		// A server that is shutting down hangs up on a connection that it had
		// accepted, before any handler sees the request.
		resp, err = send()
	}
	if err != nil {
		b.T.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.T.Fatalf("%s %s: reading the body: %v", method, target, err)
	}
	return Response{resp, string(text)}
}

// Fetch sends a request as a script of the site's own page does.
func (b *Browser) Fetch(method, target, body string, edits ...Edit) Response {
	b.T.Helper()
	return b.Do(method, target, body, append([]Edit{
		Header("Sec-Fetch-Site", "same-origin"), Header("Sec-Fetch-Mode", "cors"), Header("Sec-Fetch-Dest", "empty"),
	}, edits...)...)
}

// Navigate gets a page as the browser does for an address that a person entered.
func (b *Browser) Navigate(target string, edits ...Edit) Response {
	b.T.Helper()
	return b.Do(http.MethodGet, target, "", append([]Edit{
		Header("Sec-Fetch-Site", "none"), Header("Sec-Fetch-Mode", "navigate"), Header("Sec-Fetch-Dest", "document"),
		Header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
	}, edits...)...)
}

// Submit sends a form without fields as the site's own page does.
func (b *Browser) Submit(target string, edits ...Edit) Response {
	b.T.Helper()
	return b.Do("POST", target, "", append([]Edit{
		Header("Sec-Fetch-Site", "same-origin"), Header("Sec-Fetch-Mode", "navigate"), Header("Sec-Fetch-Dest", "document"),
		Header("Origin", b.Origin), Header("Accept", "text/html,*/*;q=0.8"),
	}, edits...)...)
}

// Cookies returns the browser's cookies for the proxy, by name.
func (b *Browser) Cookies() map[string]string {
	u, err := url.Parse(b.Origin)
	if err != nil {
		b.T.Fatal(err)
	}
	cookies := make(map[string]string)
	for _, c := range b.Jar.Cookies(u) {
		cookies[c.Name] = c.Value
	}
	return cookies
}
