package spotifytest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// tokenError is an error answer of the token endpoint (RFC 6749 §5.2).
type tokenError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func invalidGrant(description string) *tokenError {
	return &tokenError{"invalid_grant", description}
}

func invalidRequest(description string) *tokenError {
	return &tokenError{"invalid_request", description}
}

// tokenAnswer is a success answer of the token endpoint (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    int     `json:"expires_in"`
	RefreshToken *string `json:"refresh_token,omitempty"`
	Scope        string  `json:"scope"`
}

const maxTokenBody = 64 << 10

// tokenForm reads the body once and leaves it readable, so that faults can be
// matched by grant type before the request is served.
func tokenForm(r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxTokenBody))
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return url.ParseQuery(string(body))
}

// serveToken is POST /api/token.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "", http.StatusMethodNotAllowed)
		return
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		http.Error(w, "", http.StatusUnsupportedMediaType)
		return
	}
	form, err := tokenForm(r)
	if err != nil {
		writeTokenError(w, invalidRequest("malformed form"))
		return
	}
	s.ledger.count(form.Get("grant_type"))
	out, terr := s.token(r, form)
	if terr != nil {
		writeTokenError(w, terr)
		return
	}
	note(r).User, note(r).ClientID = out.user, form.Get("client_id")
	writeTokenJSON(w, http.StatusOK, tokenAnswer{
		AccessToken:  out.access,
		TokenType:    "Bearer",
		ExpiresIn:    int(out.life.Seconds()),
		RefreshToken: out.refresh,
		Scope:        strings.Join(out.scopes, " "),
	})
}

func (l *ledger) count(grantType string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch grantType {
	case "authorization_code", "refresh_token":
	default:
		grantType = "other"
	}
	l.asked[grantType]++
}

func (s *Server) token(r *http.Request, form url.Values) (*issued, *tokenError) {
	if r.URL.RawQuery != "" {
		return nil, invalidRequest("parameters belong in the body")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest(name + " must not be repeated")
		}
	}
	// A public client has nothing to authenticate with: a header can only be a
	// secret that should not exist.
	if r.Header.Get("Authorization") != "" || form.Has("client_secret") {
		return nil, &tokenError{"invalid_client", "Invalid client secret"}
	}
	grantType := form.Get("grant_type")
	switch grantType {
	case "authorization_code", "refresh_token":
	case "":
		return nil, &tokenError{"unsupported_grant_type", "grant_type parameter is missing"}
	default:
		return nil, &tokenError{"unsupported_grant_type", "grant_type must be client_credentials, authorization_code or refresh_token"}
	}
	clientID := form.Get("client_id")
	if clientID == "" {
		return nil, &tokenError{Code: "invalid_client"}
	}
	if !s.knownClient(clientID) {
		return nil, &tokenError{"invalid_client", "Invalid client"}
	}
	if grantType == "refresh_token" {
		if form.Get("refresh_token") == "" {
			return nil, invalidRequest("refresh_token must be supplied")
		}
		return s.ledger.renew(clientID, form.Get("refresh_token"))
	}
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if form.Get(name) == "" {
			return nil, invalidRequest(name + " must be supplied")
		}
	}
	verifier := form.Get("code_verifier")
	if !wellFormedVerifier(verifier) {
		return nil, invalidRequest("code_verifier must be 43 to 128 unreserved characters")
	}
	return s.ledger.exchange(clientID, form.Get("redirect_uri"), form.Get("code"), verifier)
}

// wellFormedVerifier checks RFC 7636 §4.1.
func wellFormedVerifier(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for _, c := range []byte(v) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

func writeTokenError(w http.ResponseWriter, e *tokenError) {
	writeTokenJSON(w, http.StatusBadRequest, e)
}

func writeTokenJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain structs
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client went away; nobody is left to tell
}
