package upstream

import (
	"net/http"
	"strings"
)

// noteCommand tells of a request that has changed what the account plays.
func (c *call) noteCommand() {
	if c.in.Method == http.MethodGet || c.in.Method == http.MethodHead || c.res.StatusCode >= http.StatusMultipleChoices {
		return
	}
	if tell := c.ex.Site.Commanded; tell != nil && strings.HasPrefix(c.in.URL.Path, "/v1/me/player") {
		tell(c.account())
	}
}
