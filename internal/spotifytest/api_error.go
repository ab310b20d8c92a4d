package spotifytest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// What Spotify says, word for word.
const (
	notAllowlisted     = "User not registered in the Developer Dashboard"
	notAllowlistedText = "User not registered in the Developer Dashboard. Check the settings on developer.spotify.com/dashboard, the user may not be registered."
	premiumRequired    = "Player command failed: Premium required"
	ownerPremiumText   = "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again."
	noActiveDevice     = "Player command failed: No active device found"
	rateLimitedBody    = `{"error":{"status":429,"message":"API rate limit exceeded"}}`
	tooManyRequests    = "Too many requests"
)

// apiError is an error answer of the Web API.
type apiError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
	Reason  string `json:"reason,omitempty"`

	plain bool // sent as plain text
}

func (e *apiError) Error() string { return strconv.Itoa(e.Status) + " " + e.Message }

var (
	errNotFound      = &apiError{Status: http.StatusNotFound, Message: "Resource not found"}
	errInvalidID     = &apiError{Status: http.StatusBadRequest, Message: "Invalid base62 id"}
	errForbidden     = &apiError{Status: http.StatusForbidden, Message: "Forbidden"}
	errWindow        = &apiError{Status: http.StatusTooManyRequests, Message: "API rate limit exceeded"}
	errQuota         = &apiError{Status: http.StatusTooManyRequests, Message: tooManyRequests, Reason: "QUOTA_EXCEEDED"}
	errScope         = &apiError{Status: http.StatusForbidden, Message: "Insufficient client scope"}
	errBadJSON       = &apiError{Status: http.StatusBadRequest, Message: "Error parsing JSON."}
	errPremium       = &apiError{Status: http.StatusForbidden, Message: premiumRequired, Reason: "PREMIUM_REQUIRED"}
	errNoDevice      = &apiError{Status: http.StatusNotFound, Message: noActiveDevice, Reason: "NO_ACTIVE_DEVICE"}
	errNoSuchService = &apiError{Status: http.StatusNotFound, Message: "Service not found"}
)

func badRequest(message string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Message: message}
}

func apiErrorBody(status int, message, reason string) []byte {
	body, err := json.Marshal(map[string]*apiError{"error": {Status: status, Message: message, Reason: reason}})
	if err != nil {
		panic(err) // our own plain struct
	}
	return body
}

func writeAPIError(w http.ResponseWriter, e *apiError) {
	if e.plain {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(e.Message)))
		w.WriteHeader(e.Status)
		_, _ = io.WriteString(w, e.Message)
		return
	}
	body := apiErrorBody(e.Status, e.Message, e.Reason)
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Cache-Control", "private, max-age=0")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="spotify", error="invalid_token", error_description="`+e.Message+`"`)
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}
