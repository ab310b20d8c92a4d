package doctor

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Found is a handler in a config, and what leads to it.
type Found struct {
	// Handler is the handler's own JSON.
	Handler json.RawMessage

	Listen  []string // addresses of the server
	Proxied bool     // the server trusts a proxy in front of it
	// Matchers are those of the routes that lead to the handler, from the outside
	// in. Each must let a request through, and has alternatives.
	Matchers [][]Matcher
	// Before is what responds to requests before they come to the handler.
	Before []Responder
	// Storage is the JSON of the config's storage, nil where it has none.
	Storage json.RawMessage
}

// Responder is a handler, or a route that is terminal, behind which requests do
// not come that its matchers let through.
type Responder struct {
	Matchers [][]Matcher
	Name     string
}

// Matcher is one alternative of a route's matchers: nil where it takes all hosts
// or paths.
type Matcher struct {
	Host []string
	Path []string
	// Other says that there are matchers of other kinds as well.
	Other bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Matcher) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for name, raw := range all {
		var err error
		switch name {
		case "host":
			err = json.Unmarshal(raw, &m.Host)
		case "path":
			err = json.Unmarshal(raw, &m.Path)
		default:
			m.Other = true
		}
		if err != nil {
			return fmt.Errorf("matcher %s: %w", name, err)
		}
	}
	return nil
}

// FindHandlers returns the handlers of a name in a config, given as JSON, in the
// order of the servers' names and then of the routes.
func FindHandlers(config []byte, name string) ([]Found, error) {
	var parsed struct {
		Storage json.RawMessage `json:"storage"`
		Apps    struct {
			HTTP struct {
				Servers map[string]struct {
					Listen         []string        `json:"listen"`
					TrustedProxies json.RawMessage `json:"trusted_proxies"`
					Routes         []route         `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var found []Found
	servers := parsed.Apps.HTTP.Servers
	for _, key := range slices.Sorted(maps.Keys(servers)) {
		server := servers[key]
		s := search{name: name}
		s.routes(server.Routes, nil)
		for _, h := range s.found {
			h.Listen, h.Proxied, h.Storage = server.Listen, server.TrustedProxies != nil, parsed.Storage
			found = append(found, h)
		}
	}
	return found, nil
}

type route struct {
	Group    string    `json:"group"`
	Match    []Matcher `json:"match"`
	Handle   []handler `json:"handle"`
	Terminal bool      `json:"terminal"`
}

type handler struct {
	raw json.RawMessage
	handlerFields
}

type handlerFields struct {
	Name     string  `json:"handler"`
	Routes   []route `json:"routes"`    // of a subroute
	PassThru bool    `json:"pass_thru"` // of a file_server
	Status   any     `json:"status_code"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *handler) UnmarshalJSON(b []byte) error {
	h.raw = slices.Clone(b)
	return json.Unmarshal(b, &h.handlerFields)
}

// responds returns what a handler that passes no request on is called in a
// Caddyfile, or "".
func (h *handler) responds() string {
	switch {
	case h.Name == "static_response" && fmt.Sprint(h.Status) != "103":
		return "respond, redir or abort"
	case h.Name == "file_server" && !h.PassThru, h.Name == "reverse_proxy", h.Name == "error":
		return h.Name
	}
	return ""
}

// search walks the routes of a server in the order in which requests do.
type search struct {
	name   string
	found  []Found
	before []Responder
}

func (s *search) routes(routes []route, outer [][]Matcher) {
	groups := make(map[string][]Responder)
	for _, r := range routes {
		matchers := outer
		if len(r.Match) > 0 {
			matchers = append(slices.Clone(outer), r.Match)
		}
		// Of a group, the first route that matches is the only one.
		before, first := slices.Clip(s.before), len(groups[r.Group]) == 0
		if r.Group != "" {
			s.before = append(before, groups[r.Group]...)
			groups[r.Group] = append(groups[r.Group], Responder{matchers, "handle"})
		}
		for _, h := range r.Handle {
			s.handler(&h, matchers)
		}
		if r.Terminal {
			s.before = append(s.before, Responder{matchers, "a route that is terminal"})
		}
		if !first {
			// Whether requests come to it at all depends on others of its group.
			s.before = before
		}
	}
}

func (s *search) handler(h *handler, matchers [][]Matcher) {
	switch {
	case h.Name == s.name:
		s.found = append(s.found, Found{Handler: h.raw, Matchers: matchers, Before: slices.Clone(s.before)})
	case h.Name == "subroute":
		s.routes(h.Routes, matchers)
	case h.responds() != "":
		s.before = append(s.before, Responder{matchers, h.responds()})
	}
}
