package trace

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func newProvider(t *testing.T, options ...sdk.TracerProviderOption) (*sdk.TracerProvider, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(append(options, sdk.WithSyncer(exporter))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return provider, exporter
}

func TestSpan(t *testing.T) {
	provider, exporter := newProvider(t)
	ctx, parent := provider.Tracer("caddy").Start(t.Context(), "handler")
	inner, span := Start(ctx, Store)
	span.Set(Operation, "load")
	_, nested := Start(inner, Refresh)
	nested.End(fmt.Errorf("the token is BQsecret: %w", errors.New("no")))
	span.End(context.Canceled)
	parent.End()
	spans := exporter.GetSpans()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	refresh, store := spans[0], spans[1]
	if store.Parent.SpanID() != parent.SpanContext().SpanID() || refresh.Parent.SpanID() != store.SpanContext.SpanID() {
		t.Error("the spans are not below each other")
	}
	if refresh.Name != "spotify.token.refresh" || refresh.Status != (sdk.Status{Code: codes.Error}) || len(refresh.Events) > 0 ||
		fmt.Sprint(refresh.Attributes) != fmt.Sprint([]attribute.KeyValue{attribute.String("error.type", "*fmt.wrapError")}) {
		t.Errorf("%+v", refresh)
	}
	if fmt.Sprint(store.Attributes) != fmt.Sprint([]attribute.KeyValue{attribute.String(Operation, "load"), attribute.String("error.type", "canceled")}) {
		t.Errorf("%+v", store.Attributes)
	}
}

func TestOriginIsLinked(t *testing.T) {
	provider, exporter := newProvider(t)
	ctx, request := provider.Tracer("caddy").Start(t.Context(), "handler")
	origin := OriginOf(ctx)
	request.End()
	exporter.Reset()
	_, span := origin.Start(t.Context(), PlayerPoll)
	span.End(nil)
	spans := exporter.GetSpans()
	if len(spans) != 1 || spans[0].Parent.IsValid() || len(spans[0].Links) != 1 || spans[0].Links[0].SpanContext.SpanID() != request.SpanContext().SpanID() {
		t.Errorf("%+v", spans)
	}
}

// Without a span that is recorded there is none, and no allocation.
func TestNoSpan(t *testing.T) {
	provider, exporter := newProvider(t, sdk.WithSampler(sdk.NeverSample()))
	dropped, parent := provider.Tracer("caddy").Start(t.Context(), "handler")
	for name, ctx := range map[string]context.Context{"none": t.Context(), "one that is not sampled": dropped} {
		err := errors.New("an error")
		if n := testing.AllocsPerRun(100, func() {
			inner, span := Start(ctx, Store)
			span.Set(Operation, "load")
			span.End(err)
			if inner != ctx {
				t.Error("another context")
			}
			_, span = OriginOf(ctx).Start(ctx, PlayerPoll)
			span.End(nil)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	parent.End()
	if n := len(exporter.GetSpans()); n != 0 {
		t.Errorf("%d spans", n)
	}
}
