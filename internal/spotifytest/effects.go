package spotifytest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Effect names an answer that Spotify, or something before it, has been seen to
// give. It is used in Fault.Effect.
type Effect string

// The effects.
const (
	// TokenExpired, TokenInvalid and TokenMissing are the 401s.
	TokenExpired Effect = "token_expired"
	TokenInvalid Effect = "token_invalid"
	TokenMissing Effect = "token_missing"
	// ScopeMissing, Withdrawn, NotAllowlisted, NotAllowlistedText,
	// PremiumRequired, OwnerPremiumRequired and ForbiddenEmpty are the 403s.
	// Withdrawn is that of an operation that apps in development mode do not have.
	// NotAllowlistedText and OwnerPremiumRequired are plain text, and
	// ForbiddenEmpty has no body.
	ScopeMissing         Effect = "scope_missing"
	Withdrawn            Effect = "withdrawn"
	NotAllowlisted       Effect = "not_allowlisted"
	NotAllowlistedText   Effect = "not_allowlisted_text"
	PremiumRequired      Effect = "premium_required"
	OwnerPremiumRequired Effect = "owner_premium_required"
	ForbiddenEmpty       Effect = "forbidden_empty"
	// RateLimited is the 429 of the rolling window, in JSON and with Retry-After.
	// TooManyRequests is the same with the other message that Spotify uses,
	// RateLimitedText with a body in plain text, RateLimitedBare that without
	// Retry-After, RateLimitedEmpty without either, RateLimitedZero with
	// Retry-After: 0, and RateLimitedGzip compressed whatever the client accepts.
	RateLimited      Effect = "rate_limited"
	TooManyRequests  Effect = "too_many_requests"
	RateLimitedText  Effect = "rate_limited_text"
	RateLimitedBare  Effect = "rate_limited_bare"
	RateLimitedEmpty Effect = "rate_limited_empty"
	RateLimitedZero  Effect = "rate_limited_zero"
	RateLimitedGzip  Effect = "rate_limited_gzip"
	// QuotaExceeded is the 429 of the developer's quota of a day, without
	// Retry-After, and QuotaExceededHours the same with one of 13 hours.
	QuotaExceeded      Effect = "quota_exceeded"
	QuotaExceededHours Effect = "quota_exceeded_hours"
	// ServerError, BadGateway and Unavailable are the 500, 502 and 503.
	// BadGateway and those in HTML are pages of a gateway.
	ServerError     Effect = "server_error"
	ServerErrorHTML Effect = "server_error_html"
	BadGateway      Effect = "bad_gateway"
	Unavailable     Effect = "unavailable"
	UnavailableHTML Effect = "unavailable_html"
	// Garbage is a 200 whose body is cut-off JSON. Redirect points elsewhere.
	Garbage  Effect = "garbage"
	Redirect Effect = "redirect"
	// SetsCookie is a 200 that tries to set a cookie and open CORS.
	SetsCookie Effect = "sets_cookie"
	// Hang never answers; CutConnection closes the connection instead, and
	// ResetConnection resets it.
	Hang            Effect = "hang"
	CutConnection   Effect = "cut"
	ResetConnection Effect = "reset"
	// InvalidGrant, InvalidClient, TokenServerError and TokenUnavailable are the
	// token endpoint's.
	InvalidGrant     Effect = "invalid_grant"
	InvalidClient    Effect = "invalid_client"
	TokenServerError Effect = "token_server_error"
	TokenUnavailable Effect = "token_unavailable"
)

var effects = map[Effect]Fault{
	TokenExpired:         apiFault(401, "The access token expired", ""),
	TokenInvalid:         apiFault(401, "Invalid access token", ""),
	TokenMissing:         apiFault(401, "Access token missing", ""),
	ScopeMissing:         apiFault(403, "Insufficient client scope", ""),
	NotAllowlisted:       apiFault(403, notAllowlisted, ""),
	NotAllowlistedText:   textFault(403, notAllowlistedText),
	PremiumRequired:      apiFault(403, premiumRequired, "PREMIUM_REQUIRED"),
	OwnerPremiumRequired: textFault(403, ownerPremiumText),
	Withdrawn:            apiFault(403, "Forbidden", ""),
	ForbiddenEmpty:       {Status: 403},
	RateLimited:          {Status: 429, Body: rateLimitedBody, RetryAfter: 5 * time.Second},
	TooManyRequests:      apiFault(429, tooManyRequests, "").after(5 * time.Second),
	RateLimitedText:      textFault(429, tooManyRequests).after(5 * time.Second),
	RateLimitedBare:      textFault(429, tooManyRequests),
	RateLimitedEmpty:     {Status: 429},
	RateLimitedZero:      {Status: 429, Body: rateLimitedBody, Header: http.Header{"Retry-After": {"0"}}},
	RateLimitedGzip: {
		Status: 429, Body: string(compress([]byte(rateLimitedBody))), RetryAfter: 5 * time.Second,
		Header: http.Header{"Content-Type": {jsonType}, "Content-Encoding": {"gzip"}},
	},
	QuotaExceeded:      apiFault(429, tooManyRequests, "QUOTA_EXCEEDED"),
	QuotaExceededHours: apiFault(429, tooManyRequests, "QUOTA_EXCEEDED").after(48925 * time.Second),
	ServerError:        apiFault(500, "Server error", ""),
	ServerErrorHTML:    htmlFault(500, "500 Internal Server Error"),
	BadGateway:         htmlFault(502, "502 Bad Gateway"),
	UnavailableHTML:    htmlFault(503, "503 Service Temporarily Unavailable"),
	Unavailable:        textFault(503, "upstream connect error or disconnect/reset before headers"),
	Garbage:            {Status: 200, Body: `{"items":[{"href":"https://api.spo`},
	Redirect:           {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/elsewhere"}}},
	SetsCookie: {Status: 200, Body: `{}`, Header: http.Header{
		"Set-Cookie":                       {"__Host-spotify_session=overwritten; Path=/; Secure", "spotify_session=overwritten; Path=/", "sp_t=tracking; Domain=spotify.com"},
		"Access-Control-Allow-Origin":      {"*"},
		"Access-Control-Allow-Credentials": {"true"},
	}},
	Hang:             {Hold: true, Cut: true},
	CutConnection:    {Cut: true},
	ResetConnection:  {Reset: true},
	InvalidGrant:     {Status: 400, Body: `{"error":"invalid_grant","error_description":"Refresh token revoked"}`},
	InvalidClient:    {Status: 400, Body: `{"error":"invalid_client","error_description":"Invalid client"}`},
	TokenServerError: {Status: 500, Body: `{"error":"server_error"}`},
	TokenUnavailable: {Status: 503, Body: `{"error":"temporarily_unavailable"}`},
}

const jsonType = "application/json; charset=utf-8"

// Effects returns the names of all effects, sorted.
func Effects() []Effect { return slices.Sorted(maps.Keys(effects)) }

func apiFault(status int, message, reason string) Fault {
	return Fault{Status: status, Body: string(apiErrorBody(status, message, reason))}
}

func textFault(status int, text string) Fault {
	return Fault{Status: status, Body: text, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
}

func htmlFault(status int, title string) Fault {
	return Fault{
		Status: status, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body: "<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n",
	}
}

func (f Fault) after(wait time.Duration) Fault {
	f.RetryAfter = wait
	return f
}

// expand fills in what f leaves to its effect.
func (f Fault) expand() Fault {
	if f.Effect == "" {
		return f
	}
	e, found := effects[f.Effect]
	if !found {
		panic(fmt.Sprintf("spotifytest: no effect is called %q", f.Effect))
	}
	f.Hold = f.Hold || e.Hold
	f.Cut = f.Cut || e.Cut
	f.Reset = f.Reset || e.Reset
	if f.Status == 0 {
		f.Status = e.Status
	}
	if f.Body == "" {
		f.Body = e.Body
	}
	if f.RetryAfter == 0 {
		f.RetryAfter = e.RetryAfter
	}
	header := maps.Clone(e.Header)
	if header == nil {
		header = make(http.Header)
	}
	maps.Copy(header, f.Header)
	f.Header = header
	return f
}

func (f *Fault) label(id int) string {
	if f.Effect != "" {
		return string(f.Effect)
	}
	return fmt.Sprintf("fault %d", id)
}

func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// stream answers with a long JSON document, chunk by chunk.
func (s *Server) stream(in *Injected, w http.ResponseWriter, r *http.Request) {
	f := &in.fault
	size := f.Chunk
	if size <= 0 {
		size = 32 << 10
	}
	h := w.Header()
	for name, values := range f.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", jsonType)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	controller := http.NewResponseController(w)
	src := &longJSON{size: f.Stream, api: s.apiURL()}
	buf := make([]byte, size)
	for first := true; ; first = false {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return // the client went away
			}
			if controller.Flush() != nil {
				return
			}
		}
		if err != nil {
			return // the end
		}
		if first && f.Hold {
			s.wait(in, r)
		}
	}
}

// longJSON reads as one JSON document of exactly size bytes, or a little more
// if size is tiny.
type longJSON struct {
	size int64
	api  string

	begun bool
	made  int64
	item  int
	left  []byte
}

func (l *longJSON) Read(p []byte) (int, error) {
	for len(l.left) == 0 {
		if l.made < 0 {
			return 0, io.EOF
		}
		l.left = l.next()
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

func (l *longJSON) next() []byte {
	const tail = `],"pad":""}`
	var part string
	if !l.begun {
		l.begun = true
		part = `{"href":"` + l.api + `/v1/me/tracks?offset=0&limit=50","items":[`
	} else {
		l.item++
		part = fmt.Sprintf(`{"href":"%s/v1/tracks/%s","name":"Track %d"}`, l.api, derivedID(fmt.Sprint("stream/", l.item)), l.item)
		if l.item > 1 {
			part = "," + part
		}
		if left := l.size - l.made - int64(len(tail)); left < int64(len(part)) {
			l.made = -1
			pad := make([]byte, max(left, 0))
			for i := range pad {
				pad[i] = '.'
			}
			return []byte(`],"pad":"` + string(pad) + `"}`)
		}
	}
	l.made += int64(len(part))
	return []byte(part)
}
