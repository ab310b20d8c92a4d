package reason

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// PrefixSize is how much of an error's body Parse looks at, in bytes. Spotify's
// errors have some 100.
const PrefixSize = 2 << 10

// Parse returns the reason of an answer by the Web API from its status, its
// Content-Type and the beginning of its body, decoded. The body may be JSON
// cut off anywhere, plain text, which Spotify sends with any Content-Type, or
// empty. The reason is empty for all but 401, 403 and 429.
//
// A 401 that says nothing of scopes is ReauthorizationRequired, so Parse is
// to be asked once a refresh of the token has not helped.
func Parse(status int, contentType string, prefix []byte) Reason {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
	default:
		return ""
	}
	message, code := read(contentType, prefix[:min(len(prefix), PrefixSize)])
	switch code {
	case "QUOTA_EXCEEDED":
		return QuotaExceeded
	case "RATE_LIMITED": // of the player, also with 403: "too frequent track play"
		return RateLimited
	case "PREMIUM_REQUIRED":
		return PremiumRequired
	}
	if status == http.StatusTooManyRequests {
		return RateLimited
	}
	// Nothing but the message tells these apart.
	for _, known := range messages {
		if strings.Contains(message, known.fragment) {
			return known.reason
		}
	}
	if status == http.StatusUnauthorized {
		return ReauthorizationRequired
	}
	return Forbidden
}

// IsInvalidLimit reports whether a 400 by the Web API says that the parameter limit
// has a value that the app may not use. The arguments are those of Parse.
func IsInvalidLimit(contentType string, prefix []byte) bool {
	message, _ := read(contentType, prefix[:min(len(prefix), PrefixSize)])
	return strings.Contains(message, "invalid limit")
}

// messages are parts, in lower case, of the messages that Spotify is known to
// send, in reports of users of its clients from 2016 to 2026. The test has
// them in full.
var messages = []struct {
	fragment string
	reason   Reason
}{
	{"client scope", InsufficientScope},
	{"satisfy scope", InsufficientScope},
	{"permissions missing", InsufficientScope},
	{"not registered", UserNotAllowlisted},
	{"not be registered", UserNotAllowlisted},
	{"user not approved", UserNotAllowlisted},
	{"premium", PremiumRequired},
}

// read returns the message in lower case and the reason field in upper case.
func read(contentType string, prefix []byte) (message, code string) {
	prefix = bytes.TrimSpace(bytes.TrimPrefix(prefix, []byte("\uFEFF")))
	if !bytes.HasPrefix(prefix, []byte("{")) {
		// A page of something between us and Spotify may contain any words.
		if strings.Contains(strings.ToLower(contentType), "html") {
			return "", ""
		}
		return strings.ToLower(string(prefix)), ""
	}
	dec := json.NewDecoder(bytes.NewReader(prefix))
	members(dec, func(key string) bool {
		if key != "error" {
			return skip(dec)
		}
		token, err := dec.Token()
		if text, ok := token.(string); ok { // some endpoints: {"error":"…"}
			message = strings.ToLower(text)
		}
		if err != nil || token != json.Delim('{') {
			return false
		}
		rest(dec, func(key string) bool {
			switch key {
			case "message":
				return text(dec, func(s string) { message = strings.ToLower(s) })
			case "reason":
				return text(dec, func(s string) { code = strings.ToUpper(s) })
			}
			return skip(dec)
		})
		return false
	})
	return message, code
}

// members calls member with each key of the object that comes next, until it
// returns false or the text ends. member must consume the value.
func members(dec *json.Decoder, member func(key string) bool) {
	if token, err := dec.Token(); err == nil && token == json.Delim('{') {
		rest(dec, member)
	}
}

// rest is members once the brace has been read.
func rest(dec *json.Decoder, member func(key string) bool) {
	for {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok || !member(key) {
			return
		}
	}
}

// text calls use with the next value if it is a string, and reports whether
// the text goes on.
func text(dec *json.Decoder, use func(string)) bool {
	var value any
	if dec.Decode(&value) != nil {
		return false
	}
	if s, ok := value.(string); ok {
		use(s)
	}
	return true
}

// skip reads the next value and reports whether the text goes on.
func skip(dec *json.Decoder) bool {
	var value json.RawMessage
	return dec.Decode(&value) == nil
}
