package spotifytest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorizeRequest is a valid authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3).
type authorizeRequest struct {
	clientID, redirectURI, state, challenge string
	scopes                                  []string
	showDialog                              bool
}

func (s *Server) accountsMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.serveAuthorize)
	mux.Handle("POST /authorize", http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveConsent)))
	mux.HandleFunc("/api/token", s.serveToken)
	return mux
}

// Register adds redirect URIs to those the app has registered. A Server that was
// given none takes any that could be registered until the first call of Register.
func (s *Server) Register(redirectURIs ...string) {
	s.consents.mu.Lock()
	defer s.consents.mu.Unlock()
	s.consents.registered = append(s.consents.registered, redirectURIs...)
}

func (s *Server) knownClient(id string) bool {
	if s.opts.ClientIDs != nil {
		return slices.Contains(s.opts.ClientIDs, id)
	}
	if len(id) != 32 {
		return false
	}
	return strings.Trim(id, "0123456789abcdef") == ""
}

func (s *Server) knownRedirectURI(uri string) bool {
	// A loopback name or an http address elsewhere is refused even if a test registered it.
	if !couldRegister(uri) {
		return false
	}
	s.consents.mu.Lock()
	defer s.consents.mu.Unlock()
	if s.consents.registered == nil {
		return true
	}
	return slices.ContainsFunc(s.consents.registered, func(registered string) bool {
		return matchesRegistered(registered, uri)
	})
}

// parseAuthorize checks an authorization request. Where the redirect URI cannot
// be trusted the refusal is a page, and otherwise a redirect with an error; in
// both cases it has been written and the request returned is nil.
func (s *Server) parseAuthorize(w http.ResponseWriter, r *http.Request) *authorizeRequest {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, "INVALID_REQUEST: Malformed query")
		return nil
	}
	for name, values := range q {
		if len(values) > 1 {
			refuse(w, "INVALID_REQUEST: Repeated parameter: "+name)
			return nil
		}
	}
	switch id := q.Get("client_id"); {
	case id == "":
		refuse(w, "Missing required parameter: client_id")
		return nil
	case !s.knownClient(id):
		refuse(w, "INVALID_CLIENT: Invalid client")
		return nil
	}
	switch uri := q.Get("redirect_uri"); {
	case uri == "":
		refuse(w, "INVALID_CLIENT: Missing redirect URI")
		return nil
	case !s.knownRedirectURI(uri):
		refuse(w, "INVALID_CLIENT: Invalid redirect URI")
		return nil
	}
	req := &authorizeRequest{
		clientID:    q.Get("client_id"),
		redirectURI: q.Get("redirect_uri"),
		state:       q.Get("state"),
		challenge:   q.Get("code_challenge"),
		showDialog:  q.Get("show_dialog") == "true",
	}
	fail := func(code, description string) *authorizeRequest {
		s.redirectBack(w, r, req, url.Values{"error": {code}, "error_description": {description}})
		return nil
	}
	if q.Get("response_type") != "code" {
		return fail("unsupported_response_type", "response_type must be code")
	}
	if q.Get("code_challenge_method") != "S256" {
		return fail("invalid_request", "code_challenge_method must be S256")
	}
	if len(req.challenge) != 43 || !wellFormedVerifier(req.challenge) || strings.ContainsAny(req.challenge, ".~") {
		return fail("invalid_request", "code_challenge must be the base64url of a SHA-256")
	}
	var ok bool
	if req.scopes, ok = parseScopes(q.Get("scope")); !ok {
		return fail("invalid_scope", "Illegal scope")
	}
	return req
}

// serveAuthorize is GET /authorize: straight back for somebody who agreed
// before, the consent page for everybody else.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	req := s.parseAuthorize(w, r)
	if req == nil {
		return
	}
	user := s.consents.signedIn(r)
	if user != "" && !req.showDialog && s.consents.covers(user, req, s.Now()) {
		s.grant(w, r, req, user)
		return
	}
	s.showConsent(w, r, req, user)
}

// grant sends the browser back with a code.
func (s *Server) grant(w http.ResponseWriter, r *http.Request, req *authorizeRequest, user string) {
	note(r).User = user
	s.redirectBack(w, r, req, url.Values{"code": {s.ledger.authorize(user, req)}})
}

// redirectBack answers at the redirect URI, which the caller has checked.
func (s *Server) redirectBack(w http.ResponseWriter, r *http.Request, req *authorizeRequest, params url.Values) {
	if req.state != "" {
		params.Set("state", req.state)
	}
	if s.opts.Issuer != "" {
		params.Set("iss", s.opts.Issuer)
	}
	sep := "?"
	if strings.Contains(req.redirectURI, "?") {
		sep = "&"
	}
	w.Header().Set("Location", req.redirectURI+sep+params.Encode())
	w.Header().Set("Cache-Control", "no-store")
	// 303: the browser comes back with a GET even from the consent form.
	w.WriteHeader(http.StatusSeeOther)
}

// refuse is the bare page that Spotify shows when it will not redirect.
func refuse(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(text))
}
