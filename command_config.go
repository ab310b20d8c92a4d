package caddyspotify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/login"
)

// configFlags say where a command finds its config.
type configFlags struct {
	file, adapter string
}

func (f *configFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "Configuration file, or - for standard input (default Caddyfile)")
	flags.StringVarP(&f.adapter, "adapter", "a", "", "Name of the adapter of the configuration, if the file's name does not tell")
	_ = cmd.MarkFlagFilename("config")
	_ = cmd.RegisterFlagCompletionFunc("adapter", cobra.FixedCompletions([]string{"caddyfile"}, cobra.ShellCompDirectiveNoFileComp))
}

// errAdapt wraps what an adapter has to say against a config.
var errAdapt = errors.New("the configuration cannot be adapted")

// load reads the config and returns it as JSON.
func (f *configFlags) load() ([]byte, error) {
	file, adapter := f.file, f.adapter
	if file == "" {
		file = "Caddyfile"
	}
	if adapter == "" && looksLikeCaddyfile(file) {
		adapter = "caddyfile"
	}
	text, err := readConfig(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.file == "":
		return nil, errors.New("there is no Caddyfile here: name your configuration with --config")
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	case adapter == "":
		if !json.Valid(text) {
			return nil, fmt.Errorf("%s is not JSON: name its adapter, for example --adapter caddyfile", file)
		}
		return text, nil
	}
	a := caddyconfig.GetAdapter(adapter)
	if a == nil {
		return nil, fmt.Errorf("there is no adapter %q in this build", adapter)
	}
	config, _, err := a.Adapt(text, map[string]any{"filename": file})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAdapt, err)
	}
	return config, nil
}

func readConfig(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file) //nolint:gosec // the operator names their own file
}

// looksLikeCaddyfile knows Caddyfiles as Caddy's own commands do.
func looksLikeCaddyfile(file string) bool {
	base := strings.ToLower(filepath.Base(file))
	ext := filepath.Ext(base)
	return ext != ".json" && (strings.HasPrefix(base, "caddyfile") || ext == ".caddyfile")
}

// foundHandler is a spotify_auth in a config, and what leads to it.
type foundHandler struct {
	Handler
	listen   []string
	proxied  bool
	matchers [][]doctor.Matcher
}

// subject is the handler as the checks see it.
func (h *foundHandler) subject(storage json.RawMessage) doctor.Subject {
	h.replacePlaceholders()
	err := h.checkOptions()
	s := doctor.Subject{
		ClientID:     h.ClientID,
		RedirectURI:  h.RedirectURI,
		Scopes:       h.Scopes,
		AuthorizeURL: cmp.Or(h.AuthorizeURL, defaultAuthorizeURL),
		TokenURL:     cmp.Or(h.TokenURL, defaultTokenURL),
		APIURL:       cmp.Or(h.APIURL, defaultAPIURL),
		Options:      err,
		State:        login.NewState(),
		Listen:       h.listen,
		Proxied:      h.proxied,
		Matchers:     h.matchers,
		Store:        h.StoreRaw,
		Storage:      storage,
	}
	if err == nil {
		s.Client = newServiceClient(time.Duration(h.Refresh.Timeout))
	}
	return s
}

// subjectsOf returns the sites of a config, given as JSON.
func subjectsOf(config []byte) ([]doctor.Subject, error) {
	found, err := findHandlers(config)
	if err != nil {
		return nil, err
	}
	sites := make([]doctor.Subject, len(found))
	for i := range found {
		sites[i] = found[i].subject(storageOf(config))
	}
	return sites, nil
}

// findHandlers returns the handlers of ours in a config.
func findHandlers(config []byte) ([]foundHandler, error) {
	var parsed struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Listen         []string        `json:"listen"`
					TrustedProxies json.RawMessage `json:"trusted_proxies"`
					Routes         []foundRoute    `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var found []foundHandler
	servers := parsed.Apps.HTTP.Servers
	for _, name := range sortedKeys(servers) {
		server := servers[name]
		in, err := handlersIn(server.Routes, nil)
		if err != nil {
			return nil, err
		}
		for _, h := range in {
			h.listen, h.proxied = server.Listen, server.TrustedProxies != nil
			found = append(found, h)
		}
	}
	return found, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type foundRoute struct {
	Match  []doctor.Matcher  `json:"match"`
	Handle []json.RawMessage `json:"handle"`
}

func handlersIn(routes []foundRoute, outer [][]doctor.Matcher) ([]foundHandler, error) {
	var found []foundHandler
	for _, route := range routes {
		matchers := outer
		if len(route.Match) > 0 {
			matchers = append(slices.Clone(outer), route.Match)
		}
		for _, raw := range route.Handle {
			var h struct {
				Handler string       `json:"handler"`
				Routes  []foundRoute `json:"routes"`
			}
			if err := json.Unmarshal(raw, &h); err != nil {
				return nil, fmt.Errorf("reading the configuration: %w", err)
			}
			switch h.Handler {
			case "subroute":
				inner, err := handlersIn(h.Routes, matchers)
				if err != nil {
					return nil, err
				}
				found = append(found, inner...)
			case "spotify_auth":
				f := foundHandler{matchers: matchers}
				if err := json.Unmarshal(raw, &f.Handler); err != nil {
					return nil, fmt.Errorf("reading the options of spotify_auth: %w", err)
				}
				found = append(found, f)
			}
		}
	}
	return found, nil
}

// storageOf returns the config's storage, if it has any.
func storageOf(config []byte) json.RawMessage {
	var parsed struct {
		Storage json.RawMessage `json:"storage"`
	}
	// findHandlers has read it before.
	_ = json.Unmarshal(config, &parsed)
	return parsed.Storage
}
