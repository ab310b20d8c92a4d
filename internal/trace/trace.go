// Package trace adds what the proxy waits for to the traces of Caddy's handler tracing,
// as spans of OpenTelemetry.
//
// A span begins only below one that is recorded, so that a site without the handler, and
// a request that is not sampled, pay one look into the context, and no allocation. Spans
// have names and a few words in them, and neither secrets nor anything of a visitor's.
package trace

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Name is that of a span, as docs/tracing.md lists them.
type Name string

// The spans that there are.
const (
	TokenWait  Name = "spotify.token.wait"
	Refresh    Name = "spotify.token.refresh"
	Store      Name = "spotify.store"
	RetryWait  Name = "spotify.retry.wait"
	QuotaWait  Name = "spotify.quota.wait"
	Replay     Name = "spotify.replay"
	JoinedWait Name = "spotify.joined.wait"
	PlayerPoll Name = "spotify.player.poll"
)

// instrumentation is the scope of the spans.
const instrumentation = "github.com/caddyspotify/caddy-spotify"

// Names are all of them.
func Names() []Name {
	return []Name{TokenWait, Refresh, Store, RetryWait, QuotaWait, Replay, JoinedWait, PlayerPoll}
}

// Attributes of spans.
const (
	Operation = "spotify.store.operation" // of Store: load, create, update, delete, lease
	Reason    = "spotify.reason"          // of RetryWait: why the request was not done, as in Spotify-Proxy-Reason
	errorType = "error.type"
)

// Span is a span under way, or none. Its methods may be called on the zero value.
type Span struct{ span trace.Span }

// Start begins a span below that of a context, if that is recorded, and returns the
// context for what is done in it.
func Start(ctx context.Context, name Name) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(instrumentation).Start(ctx, string(name))
	return ctx, Span{span}
}

// Set adds a word to a span, unless that is empty.
func (s Span) Set(attr, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(attr, value))
	}
}

// End ends a span. Of an error it has the type and not the text, which may name what is
// for the log alone.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, "")
		s.span.SetAttributes(attribute.String(errorType, kindOf(err)))
	}
	s.span.End()
}

// kindOf is the type of an error.
func kindOf(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}

// Origin is the request that caused what goes on after it, or for others as well. The
// zero Origin is none.
type Origin struct{ span trace.Span }

// OriginOf returns that of a context.
func OriginOf(ctx context.Context) Origin {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return Origin{}
	}
	return Origin{span}
}

// Start begins a trace of its own, which is linked to the origin's.
func (o Origin) Start(ctx context.Context, name Name) (context.Context, Span) {
	if o.span == nil {
		return ctx, Span{}
	}
	ctx, span := o.span.TracerProvider().Tracer(instrumentation).Start(ctx, string(name),
		trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: o.span.SpanContext()}))
	return ctx, Span{span}
}
