package spotifytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// State is what GET /_control/state answers.
type State struct {
	Now              time.Time      `json:"now"`
	TokenRequests    map[string]int `json:"token_requests"`
	Refreshes        int            `json:"refreshes"`
	RefreshesRefused int            `json:"refreshes_refused"`
	Grants           int            `json:"grants"`
	APIAnswers       map[int]int    `json:"api_answers"`
	RateLimitHits    int            `json:"rate_limit_hits"`
	Violations       int            `json:"violations"`
	Faults           []FaultState   `json:"faults"`
	Effects          []Effect       `json:"effects"`
}

// FaultState is a fault in force.
type FaultState struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	Path string `json:"path"`
	Hits int    `json:"hits"`
}

// wireDuration is a duration as in "1.5s".
type wireDuration time.Duration

func (d *wireDuration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = wireDuration(v)
	return nil
}

// wireFault is a Fault with its durations as text.
type wireFault struct {
	Fault
	Latency    wireDuration `json:"latency"`
	RetryAfter wireDuration `json:"retry_after"`
}

// wireSettings are the settings that can be changed while it runs; what is
// absent stays as it is.
type wireSettings struct {
	TokenLife *wireDuration `json:"token_life"`
	Rotation  *string       `json:"rotation"`
	RateLimit *int          `json:"rate_limit"`

	OwnerPremium *bool `json:"owner_premium"`
}

// controlMux is this package's API over HTTP, for tests in another process:
//
//	GET    /_control/state                counters and faults
//	GET    /_control/requests?to=/v1/     recorded requests
//	GET    /_control/grants               grants with their history
//	GET    /_control/secrets              every secret issued or seen
//	POST   /_control/faults               inject {"path":…,"effect":…,"times":…,"latency":"1s",…}
//	POST   /_control/faults/{id}/release  let go of what it holds
//	DELETE /_control/faults/{id}          end it; without an id, all
//	POST   /_control/settings             {"token_life":"3s","rotation":"omit|empty|keep|new|revoke","rate_limit":100,"owner_premium":true}
//	POST   /_control/advance              {"by":"24h"}
//	POST   /_control/expire               expire all access tokens
//	POST   /_control/revoke               {"user":"mira"}
//
// A page on another origin can neither change nor read anything.
func (s *Server) controlMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_control/state", reads(func(*http.Request) any { return s.State() }))
	mux.HandleFunc("GET /_control/requests", reads(func(r *http.Request) any {
		to := r.URL.Query().Get("to")
		if to == "" {
			to = "/"
		}
		return s.RequestsTo(to)
	}))
	mux.HandleFunc("GET /_control/grants", reads(func(*http.Request) any { return s.Grants() }))
	mux.HandleFunc("GET /_control/secrets", reads(func(*http.Request) any { return s.TokensIssued() }))

	mux.HandleFunc("POST /_control/faults", writes(func(_ *http.Request, f *wireFault) (any, error) {
		f.Fault.Latency, f.Fault.RetryAfter = time.Duration(f.Latency), time.Duration(f.RetryAfter)
		if _, known := effects[f.Effect]; f.Effect != "" && !known {
			return nil, fmt.Errorf("no effect is called %q", f.Effect)
		}
		return map[string]int{"id": s.Inject(f.Fault).ID}, nil
	}))
	mux.HandleFunc("POST /_control/faults/{id}/release", writes(func(r *http.Request, _ *struct{}) (any, error) {
		return s.eachFault(r.PathValue("id"), (*Injected).Release)
	}))
	mux.HandleFunc("DELETE /_control/faults/{id}", writes(func(r *http.Request, _ *struct{}) (any, error) {
		return s.eachFault(r.PathValue("id"), (*Injected).Clear)
	}))
	mux.HandleFunc("DELETE /_control/faults", writes(func(*http.Request, *struct{}) (any, error) {
		s.ClearFaults()
		return s.State(), nil
	}))
	mux.HandleFunc("POST /_control/settings", writes(func(_ *http.Request, in *wireSettings) (any, error) {
		if err := s.set(in); err != nil {
			return nil, err
		}
		return s.State(), nil
	}))
	mux.HandleFunc("POST /_control/advance", writes(func(_ *http.Request, in *struct {
		By wireDuration `json:"by"`
	}) (any, error) {
		s.Advance(time.Duration(in.By))
		return s.State(), nil
	}))
	mux.HandleFunc("POST /_control/expire", writes(func(*http.Request, *struct{}) (any, error) {
		s.ExpireAccessTokens()
		return s.State(), nil
	}))
	mux.HandleFunc("POST /_control/revoke", writes(func(_ *http.Request, in *struct {
		User string `json:"user"`
	}) (any, error) {
		if s.users[in.User] == nil {
			return nil, fmt.Errorf("no user is called %q", in.User)
		}
		return map[string]int{"revoked": s.RevokeUser(in.User)}, nil
	}))
	return http.NewCrossOriginProtection().Handler(mux)
}

// State returns the counters and the faults in force.
func (s *Server) State() State {
	st := State{
		Now: s.Now(), Refreshes: s.Refreshes(), RefreshesRefused: s.RefreshesRefused(), Grants: len(s.Grants()),
		RateLimitHits: s.RateLimitHits(), Violations: len(s.Violations()), Faults: []FaultState{}, Effects: Effects(),
	}
	s.ledger.mu.Lock()
	st.TokenRequests = maps.Clone(s.ledger.asked)
	s.ledger.mu.Unlock()
	s.record.mu.Lock()
	st.APIAnswers = maps.Clone(s.record.counts)
	s.record.mu.Unlock()
	for _, in := range s.faults.all() {
		st.Faults = append(st.Faults, FaultState{ID: in.ID, Name: in.fault.label(in.ID), Path: in.fault.Path, Hits: in.Hits()})
	}
	return st
}

func (s *Server) eachFault(id string, do func(*Injected)) (any, error) {
	n, err := strconv.Atoi(id)
	if err != nil {
		return nil, errors.New("a fault's id is a number")
	}
	for _, in := range s.faults.all() {
		if in.ID == n {
			do(in)
			return s.State(), nil
		}
	}
	return nil, fmt.Errorf("no fault has id %d", n)
}

func (s *Server) set(in *wireSettings) error {
	if in.Rotation != nil {
		rotation, found := rotations[*in.Rotation]
		if !found {
			return errors.New("rotation is omit, empty, keep, new or revoke")
		}
		s.SetRotation(rotation)
	}
	if in.TokenLife != nil {
		s.SetTokenLife(time.Duration(*in.TokenLife))
	}
	if in.OwnerPremium != nil {
		s.SetOwnerPremium(*in.OwnerPremium)
	}
	if in.RateLimit != nil {
		s.SetRateLimit(*in.RateLimit)
	}
	return nil
}

func reads(f func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { writeControl(w, http.StatusOK, f(r)) }
}

// writes decodes the body, if there is one, and answers with what f returns.
func writes[T any](f func(*http.Request, *T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in := new(T)
		if r.ContentLength != 0 {
			dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAPIBody))
			dec.DisallowUnknownFields()
			if err := dec.Decode(in); err != nil {
				writeControl(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
		}
		out, err := f(r, in)
		if err != nil {
			writeControl(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeControl(w, http.StatusOK, out)
	}
}

func writeControl(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(encodeJSON(v)) // the client went away
}
