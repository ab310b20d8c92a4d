package upstream

import (
	"context"
	"net/http/httptrace"
)

// callContext hides reverse_proxy's handler of 1xx answers from the transport.
// It would pass on their headers, cookies included, past what answer does.
type callContext struct {
	context.Context
	trace *httptrace.ClientTrace
}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	v := c.Context.Value(key)
	if _, ok := v.(*httptrace.ClientTrace); ok {
		return c.trace
	}
	return v
}

// withoutInformational returns what a trace does besides handling 1xx answers,
// or nil if that is nothing, which it is unless the site traces its requests.
func withoutInformational(t *httptrace.ClientTrace) *httptrace.ClientTrace {
	if t == nil || t.GetConn == nil && t.GotConn == nil && t.PutIdleConn == nil && t.GotFirstResponseByte == nil &&
		t.Got100Continue == nil && t.DNSStart == nil && t.DNSDone == nil && t.ConnectStart == nil && t.ConnectDone == nil &&
		t.TLSHandshakeStart == nil && t.TLSHandshakeDone == nil && t.WroteHeaderField == nil && t.WroteHeaders == nil &&
		t.Wait100Continue == nil && t.WroteRequest == nil {
		return nil
	}
	rest := *t
	rest.Got1xxResponse = nil
	return &rest
}
