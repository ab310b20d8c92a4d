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
	// Storage is the JSON of the config's storage, nil where it has none.
	Storage json.RawMessage
}

// Matcher is one alternative of a route's matchers: nil where it takes all hosts
// or paths.
type Matcher struct {
	Host []string `json:"host"`
	Path []string `json:"path"`
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
		in, err := handlersIn(server.Routes, nil, name)
		if err != nil {
			return nil, err
		}
		for _, h := range in {
			h.Listen, h.Proxied, h.Storage = server.Listen, server.TrustedProxies != nil, parsed.Storage
			found = append(found, h)
		}
	}
	return found, nil
}

type route struct {
	Match  []Matcher         `json:"match"`
	Handle []json.RawMessage `json:"handle"`
}

func handlersIn(routes []route, outer [][]Matcher, name string) ([]Found, error) {
	var found []Found
	for _, r := range routes {
		matchers := outer
		if len(r.Match) > 0 {
			matchers = append(slices.Clone(outer), r.Match)
		}
		for _, raw := range r.Handle {
			var h struct {
				Handler string  `json:"handler"`
				Routes  []route `json:"routes"`
			}
			if err := json.Unmarshal(raw, &h); err != nil {
				return nil, fmt.Errorf("reading the configuration: %w", err)
			}
			switch h.Handler {
			case "subroute":
				inner, err := handlersIn(h.Routes, matchers, name)
				if err != nil {
					return nil, err
				}
				found = append(found, inner...)
			case name:
				found = append(found, Found{Handler: raw, Matchers: matchers})
			}
		}
	}
	return found, nil
}
