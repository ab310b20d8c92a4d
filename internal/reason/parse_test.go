package reason_test

import (
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

const (
	jsonType = "application/json; charset=utf-8"
	textType = "text/plain"
)

// The bodies are Spotify's own words, as its documentation and the users of
// its clients quote them.
func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name        string
		status      int
		contentType string
		body        string
		want        reason.Reason
	}{
		{"expired", 401, jsonType, `{"error":{"status":401,"message":"The access token expired"}}`, reason.ReauthorizationRequired},
		{"invalid", 401, jsonType, `{"error":{"status":401,"message":"Invalid access token"}}`, reason.ReauthorizationRequired},
		{"missing", 401, jsonType, `{"error":{"status":401,"message":"Access token missing"}}`, reason.ReauthorizationRequired},
		{"401 empty", 401, "", ``, reason.ReauthorizationRequired},
		{"player's scope", 401, jsonType, "{\n  \"error\" : {\n    \"status\" : 401,\n    \"message\" : \"Permissions missing\"\n  }\n}", reason.InsufficientScope},

		{"scope", 403, jsonType, `{"error":{"status":403,"message":"Insufficient client scope"}}`, reason.InsufficientScope},
		{"scope as text", 403, textType, `Insufficient client scope`, reason.InsufficientScope},
		{"scope of the playback SDK", 403, jsonType, `{"error":"Token does not satisfy scope."}`, reason.InsufficientScope},

		{"not registered, text", 403, textType, `User not registered in the Developer Dashboard`, reason.UserNotAllowlisted},
		{"not registered, text said to be JSON", 403, jsonType, "User not registered in the Developer Dashboard\n", reason.UserNotAllowlisted},
		{"not registered, JSON", 403, jsonType, `{"error":{"status":403,"message":"User not registered in the Developer Dashboard"}}`, reason.UserNotAllowlisted},
		{"not approved", 403, textType, `User not approved for app`, reason.UserNotAllowlisted},
		{"may not be registered", 403, textType, `Check settings on developer.spotify.com/dashboard, the user may not be registered.`, reason.UserNotAllowlisted},
		{"not registered for this application", 403, textType, `The user is not registered for this application. Please check your settings on https://developer.spotify.com/dashboard.`, reason.UserNotAllowlisted},

		{"owner's premium", 403, textType, `Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again.`, reason.PremiumRequired},
		{"player's premium", 403, jsonType, `{ "error" : { "status" : 403, "message" : "Player command failed: Premium required", "reason" : "PREMIUM_REQUIRED" } }`, reason.PremiumRequired},
		{"premium by its reason alone", 403, jsonType, `{"error":{"reason":"PREMIUM_REQUIRED"}}`, reason.PremiumRequired},

		{"403 forbidden", 403, jsonType, `{"error": {"status": 403, "message": "Forbidden" } }`, reason.Forbidden},
		{"restriction", 403, jsonType, `{"error":{"status":403,"message":"Player command failed: Restriction violated","reason":"UNKNOWN"}}`, reason.Forbidden},
		{"403 empty", 403, "", ``, reason.Forbidden},
		{"a gateway's page", 403, "text/html; charset=utf-8", `<html>Go premium! permissions missing</html>`, reason.Forbidden},
		{"after a byte order mark", 403, jsonType, "\uFEFF" + `{"error":{"status":403,"message":"Insufficient client scope"}}`, reason.InsufficientScope},
		{"quota after a byte order mark", 429, jsonType, "\uFEFF\n" + `{"error":{"status":429,"reason":"QUOTA_EXCEEDED"}}`, reason.QuotaExceeded},
		{"track play too frequent", 403, jsonType, `{"error":{"status":403,"message":"Player command failed","reason":"RATE_LIMITED"}}`, reason.RateLimited},

		{"429", 429, jsonType, `{"error":{"status":429,"message":"API rate limit exceeded"}}`, reason.RateLimited},
		{"429 text", 429, textType, `Too many requests`, reason.RateLimited},
		{"429 empty", 429, "", ``, reason.RateLimited},
		{"quota", 429, jsonType, `{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}`, reason.QuotaExceeded},
		{"quota, other order", 429, jsonType, `{"x":[{"error":1}],"error":{"details":{"reason":"no"},"reason":"QUOTA_EXCEEDED","message":"m"}}`, reason.QuotaExceeded},
		{"quota, the rest cut off", 429, jsonType, `{"error":{"reason":"QUOTA_EXCEEDED","message":"Too ma`, reason.QuotaExceeded},
		{"a reason elsewhere", 429, jsonType, `{"reason":"QUOTA_EXCEEDED","error":{"message":"\"reason\":\"QUOTA_EXCEEDED\""}}`, reason.RateLimited},

		{"message after the cut", 403, jsonType, `{"pad":"` + strings.Repeat("x", reason.PrefixSize) + `","error":{"message":"Insufficient client scope"}}`, reason.Forbidden},
		{"broken JSON", 403, jsonType, `{"error":{"message":`, reason.Forbidden},
		{"not an object", 403, jsonType, `{"error":[1,2],"message":"premium"}`, reason.Forbidden},
		{"message not a string", 403, jsonType, `{"error":{"message":{"premium":1},"reason":7}}`, reason.Forbidden},
		{"null error", 403, jsonType, `{"error":null}`, reason.Forbidden},
		{"deep nesting", 403, jsonType, strings.Repeat(`{"error":`, 200), reason.Forbidden},

		{"not refused", 200, jsonType, `{"error":{"message":"Insufficient client scope"}}`, ""},
		{"not found", 404, jsonType, `{"error":{"status":404,"message":"No active device found","reason":"NO_ACTIVE_DEVICE"}}`, ""},
		{"bad gateway", 502, "text/html", `<html>`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := reason.Parse(tc.status, tc.contentType, []byte(tc.body)); got != tc.want {
				t.Errorf("Parse(%d, %q, %q) = %q, want %q", tc.status, tc.contentType, tc.body, got, tc.want)
			}
		})
	}
}

// Whatever arrives, and wherever it is cut, there is a reason and no panic.
func TestParseAnyPrefix(t *testing.T) {
	body := []byte(`{"a":{"b":[1,{"c":null}]},"error":{"status":429,"message":"Too many \"requests\"","reason":"QUOTA_EXCEEDED"}}`)
	for n := range len(body) + 1 {
		want := reason.RateLimited
		if n >= len(body)-2 { // the value of "reason" is whole
			want = reason.QuotaExceeded
		}
		if got := reason.Parse(429, jsonType, body[:n]); got != want {
			t.Errorf("the first %d bytes: %q, want %q", n, got, want)
		}
	}
}

func TestIsInvalidLimit(t *testing.T) {
	for _, tc := range []struct {
		contentType, body string
		want              bool
	}{
		{jsonType, `{"error":{"status":400,"message":"Invalid limit"}}`, true},
		{textType, "Invalid limit\n", true},
		{jsonType, `{"error":{"status":400,"message":"Invalid offset"}}`, false},
		{"text/html", "<p>Invalid limit", false},
		{jsonType, "", false},
	} {
		if got := reason.IsInvalidLimit(tc.contentType, []byte(tc.body)); got != tc.want {
			t.Errorf("%s %q: %v", tc.contentType, tc.body, got)
		}
	}
}
