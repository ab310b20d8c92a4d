// Package retryafter reads Retry-After headers.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Parse returns the wait that a Retry-After header asks for, in
// seconds or as an HTTP date (RFC 9110 section 10.2.3), and whether it is
// valid. A date that is past is a wait of 0; no bound applies but that of the
// type.
func Parse(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0, false
	}
	if strings.Trim(header, "0123456789") == "" {
		const most = int64(1<<63-1) / int64(time.Second)
		seconds, err := strconv.ParseInt(header, 10, 64)
		if err != nil || seconds > most {
			seconds = most // more digits than an int64 has
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}
