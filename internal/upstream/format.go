package upstream

import (
	"fmt"
	"io"
)

// Format implements fmt.Formatter. Contexts get printed now and then, by
// somebody's log line or panic. What is in this one, the request with the token
// above all, must not be.
func (ex *Exchange) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "spotify_auth exchange") }

// Format implements fmt.Formatter, for the same reason.
func (c *callContext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "spotify call") }
