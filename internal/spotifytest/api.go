package spotifytest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one authorized request to the Web API.
type call struct {
	s      *Server
	r      *http.Request
	user   *User
	scopes []string
}

// endpoint answers a call with a value to be sent as JSON (nil: 204), or fails
// with an *apiError.
type endpoint func(*call) (any, *apiError)

// bare is an answer that is a status without a body.
type bare int

// created is an answer with status 201.
type created struct{ value any }

func (c *call) has(scope string) bool { return slices.Contains(c.scopes, scope) }

// route is a method and path pattern, the scopes of which it needs all, and its
// endpoint. shared answers are the same for every user and may be cached; brief
// ones may be for two minutes, in development mode.
type route struct {
	pattern string
	scopes  string
	shared  bool
	brief   bool
	serve   endpoint
}

func (rt *route) cacheControl(m Mode) string {
	switch {
	case rt.shared:
		return "public, max-age=7200"
	case rt.brief && m == Development:
		return "private, max-age=120"
	default:
		return "private, max-age=0"
	}
}

func (s *Server) apiMux() http.Handler {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, rt := range s.opts.Mode.offered(slices.Concat(
		meRoutes, catalogRoutes, searchRoutes, playlistRoutes, playlistItemRoutes,
		libraryRoutes, meLibraryRoutes, followingRoutes, playerRoutes,
	)) {
		mux.Handle(rt.pattern, s.endpoint(rt))
		// Old clients call /v1/search/ and are served.
		mux.Handle(rt.pattern+"/{$}", s.endpoint(rt))
		method, path, _ := strings.Cut(rt.pattern, " ")
		methods[path] = append(methods[path], method)
	}
	for path, allowed := range methods {
		allow := strings.Join(allowed, ", ")
		mux.Handle(path, s.dead(func(w http.ResponseWriter) {
			w.Header().Set("Allow", allow)
			writeAPIError(w, &apiError{Status: http.StatusMethodNotAllowed, Message: "Method not allowed"})
		}))
	}
	mux.Handle("/v1/", s.dead(func(w http.ResponseWriter) { writeAPIError(w, errNoSuchService) }))
	root := http.NewServeMux()
	root.Handle("/v1/", openToAllOrigins(mux))
	root.HandleFunc("GET /image/{id}", s.serveImage)
	root.HandleFunc("GET /spotify-player.js", s.servePlaybackSDK)
	root.Handle("/sdk/", openToAllOrigins(s.endpoint(playbackSDKRoute)))
	return root
}

// openToAllOrigins is what Spotify's Web API tells browsers, on every answer. A
// proxy that uses cookies must not pass it on.
func openToAllOrigins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Headers", "Accept, App-Platform, Authorization, Content-Type, Origin, Retry-After, Spotify-App-Version")
		h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS, PUT, DELETE, PATCH")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Max-Age", "604800")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// dead is a path that leads nowhere, which only the authorized are told.
func (s *Server) dead(answer func(http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, e := s.authenticate(r); e != nil {
			writeAPIError(w, e)
			return
		}
		answer(w)
	})
}

// maxAPIBody bounds request bodies; a picture is the largest that is wanted.
const maxAPIBody = 1 << 20

// body reads the whole request body.
func (c *call) body() ([]byte, *apiError) {
	data, err := io.ReadAll(io.LimitReader(c.r.Body, maxAPIBody+1))
	if err != nil {
		return nil, badRequest("Error reading body")
	}
	if len(data) > maxAPIBody {
		// The rest is read as well, so that the client hears the answer.
		drain(c.r)
		return nil, &apiError{Status: http.StatusRequestEntityTooLarge, Message: "Request entity too large"}
	}
	return data, nil
}

// decode reads a JSON body into v; an empty one is right if none is required.
func (c *call) decode(v any, required bool) *apiError {
	data, e := c.body()
	if e != nil {
		return e
	}
	if len(data) == 0 && !required {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return badRequest("Invalid value for " + wrongType.Field)
		}
		return errBadJSON
	}
	return nil
}

// authenticate accepts exactly one well-formed bearer token (RFC 6750 §2.1).
func (s *Server) authenticate(r *http.Request) (*call, *apiError) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return nil, &apiError{Status: http.StatusUnauthorized, Message: "No token provided"}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " ,\t") {
		return nil, badRequest("Only valid bearer authentication supported")
	}
	b := s.ledger.lookup(token)
	switch {
	case !b.known:
		return nil, &apiError{Status: http.StatusUnauthorized, Message: "Invalid access token"}
	case b.expired:
		return nil, &apiError{Status: http.StatusUnauthorized, Message: "The access token expired"}
	}
	n := note(r)
	n.User, n.ClientID = b.user, b.clientID
	if s.ownerLapsed.Load() {
		return nil, errOwnerPremium
	}
	return &call{s: s, r: r, user: s.users[b.user], scopes: b.scopes}, nil
}

// endpoint wraps a route in what all of the Web API does.
func (s *Server) endpoint(rt route) http.Handler {
	needs := strings.Fields(rt.scopes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, e := s.authenticate(r)
		if e != nil {
			writeAPIError(w, e)
			return
		}
		if wait, e := s.takeQuota(note(r).ClientID, rt.pattern); e != nil {
			w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			writeAPIError(w, e)
			return
		}
		if c.user.Outsider {
			http.Error(w, notAllowlistedText, http.StatusForbidden)
			return
		}
		for _, scope := range needs {
			if !c.has(scope) {
				writeAPIError(w, errScope)
				return
			}
		}
		v, e := rt.serve(c)
		if e != nil {
			writeAPIError(w, e)
			return
		}
		writeAPIAnswer(w, r, v, rt.cacheControl(s.opts.Mode))
	})
}
