package operation_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// spans are what Caddy's handler tracing has exported.
var spans = tracetest.NewInMemoryExporter()

func init() {
	autoexport.RegisterSpanExporter("recorded", func(context.Context) (sdk.SpanExporter, error) { return keptSpans{spans}, nil })
}

// keptSpans keeps what was exported when the provider that did it ends.
type keptSpans struct{ *tracetest.InMemoryExporter }

func (keptSpans) Shutdown(context.Context) error { return nil }

// traced is a proxy whose requests are all traced.
func traced(t *testing.T, o proxytest.Options) *proxytest.Proxy {
	t.Helper()
	t.Setenv("OTEL_TRACES_EXPORTER", "recorded")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	spans.Reset()
	o.Site = "tracing {\nspan site\n}\nrespond / home"
	return proxytest.Start(t, o)
}

// below waits for the end of the next request's span, and returns those below it, each
// with its attributes and, if it failed, a question mark. A name is indented below the
// span that it is below.
func below(t *testing.T) string {
	t.Helper()
	var tree strings.Builder
	proxytest.Eventually(t, "a request was traced", func() bool {
		all := spans.GetSpans()
		root := slices.IndexFunc(all, func(s tracetest.SpanStub) bool { return s.Name == "site" })
		if root < 0 {
			return false
		}
		slices.SortStableFunc(all, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		root = slices.IndexFunc(all, func(s tracetest.SpanStub) bool { return s.Name == "site" })
		var list func(parent tracetest.SpanStub, depth int)
		list = func(parent tracetest.SpanStub, depth int) {
			for _, s := range all {
				if s.Parent.SpanID() != parent.SpanContext.SpanID() {
					continue
				}
				fmt.Fprint(&tree, strings.Repeat(" ", depth), s.Name)
				for _, a := range s.Attributes {
					fmt.Fprint(&tree, " ", a.Value.AsString())
				}
				if s.Status.Code == codes.Error {
					tree.WriteString("?")
				}
				tree.WriteString("\n")
				list(s, depth+1)
			}
		}
		list(all[root], 0)
		return true
	})
	spans.Reset()
	return tree.String()
}

// What a request waits for is below the span of Caddy's handler, and a request that
// waits for nothing has no span below its own.
func TestTraces(t *testing.T) {
	s := traced(t, proxytest.Options{Auth: "retry 1 5s"})
	b := s.NewBrowser()
	b.Login("mira")
	get := func(what, want string) {
		t.Helper()
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		if got := below(t); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
		}
	}
	proxytest.Eventually(t, "the login was traced", func() bool { return len(spans.GetSpans()) > 0 })
	s.Restart()
	spans.Reset()
	get("a session that is not in memory", "spotify.store load\n")
	get("one that is", "")
	s.Sim.ExpireAccessTokens()
	get("a token that Spotify no longer takes", strings.Join([]string{
		"spotify.replay",
		" spotify.token.wait",
		"  spotify.token.refresh",
		"   spotify.store lease",
		"   spotify.store load",
		"   spotify.store update",
		"",
	}, "\n"))
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Status: http.StatusServiceUnavailable, Times: 1})
	get("a fault", "spotify.retry.wait\n")

	fault := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Hold: true, Times: 1})
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { b.Fetch("GET", "/spotify/v1/me/playlists", "") })
	<-fault.Entered()
	running.Go(func() { b.Fetch("GET", "/spotify/v1/me/playlists", "") })
	proxytest.Eventually(t, "one is waiting", func() bool { return upstream.Waiting() == 1 })
	fault.Release()
	running.Wait()
	proxytest.Eventually(t, "the wait was traced", func() bool {
		return slices.ContainsFunc(spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name == string(trace.JoinedWait) && s.Parent.IsValid() })
	})

	// A poll is a trace of its own. What it says leads to the request of who listens.
	stream := b.Stream("/spotify/events")
	stream.NextNamed("player")
	stream.Close()
	proxytest.Eventually(t, "the poll was traced", func() bool {
		return slices.ContainsFunc(spans.GetSpans(), func(s tracetest.SpanStub) bool {
			return s.Name == string(trace.PlayerPoll) && !s.Parent.IsValid() && len(s.Links) == 1
		})
	})
	all := fmt.Sprint(spans.GetSpans())
	for _, token := range s.Sim.TokensIssued() {
		if strings.Contains(all, token) {
			t.Error("a token is in a trace")
		}
	}
	if strings.Contains(all, b.SessionCookie()) || strings.Contains(all, "mira") {
		t.Error("a session's ID, or a user, is in a trace")
	}
}
