package upstream

import (
	"context"
	"net/http/httptrace"
	"sync"
	"time"
)

// callContext is the context of the requests that are made of a call. It has the
// values of reverse_proxy's, but hides its handler of 1xx answers from the transport,
// which would pass on their headers, cookies included, past what answer does.
//
// Once it is detached it no longer ends with reverse_proxy's, but when end is called.
// context.WithoutCancel and WithCancel would do the same, for 1 % of what a request
// costs: net/http derives a context of this one for each request, which is two maps and
// three locks cheaper by AfterFunc.
type callContext struct {
	context.Context
	trace    *httptrace.ClientTrace
	detached bool // set before others see it

	mu    sync.Mutex
	ended bool
	done  chan struct{} // nil unless somebody has asked for it
	after []func()      // to be called at the end; nil in place of those that were stopped
	room  [1]func()     // for after
}

// detach lets c end with end, and no longer with reverse_proxy's context. It is called
// before c is in use.
func (c *callContext) detach() { c.detached, c.after = true, c.room[:0] }

// end ends c, which is detached.
func (c *callContext) end() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	if c.done != nil {
		close(c.done)
	}
	after := c.after
	c.mu.Unlock()
	for _, f := range after {
		if f != nil {
			go f()
		}
	}
}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	v := c.Context.Value(key)
	if _, ok := v.(*httptrace.ClientTrace); ok {
		return c.trace
	}
	return v
}

// Deadline implements context.Context.
func (c *callContext) Deadline() (time.Time, bool) {
	if c.detached {
		return time.Time{}, false
	}
	return c.Context.Deadline()
}

// Done implements context.Context.
func (c *callContext) Done() <-chan struct{} {
	if !c.detached {
		return c.Context.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.ended {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *callContext) Err() error {
	if !c.detached {
		return c.Context.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// AfterFunc has f called in a goroutine of its own when c ends, as context.AfterFunc
// does. Package context calls it for contexts that are derived of c.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	if !c.detached {
		return context.AfterFunc(c.Context, f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		go f()
		return func() bool { return false }
	}
	n := len(c.after)
	c.after = append(c.after, f)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended || c.after[n] == nil {
			return false
		}
		c.after[n] = nil
		return true
	}
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
