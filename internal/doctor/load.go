package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// ErrAdapt wraps what an adapter has to say against a config.
var ErrAdapt = errors.New("the configuration cannot be adapted")

// LoadConfig reads a config and returns it as JSON. The file "" is the Caddyfile
// in the working directory and "-" standard input; the adapter "" is chosen by
// the file's name, as Caddy's own commands choose it.
func LoadConfig(file, adapter string) ([]byte, error) {
	name := file
	if name == "" {
		name = "Caddyfile"
	}
	if adapter == "" && looksLikeCaddyfile(name) {
		adapter = "caddyfile"
	}
	text, err := readConfig(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && file == "":
		return nil, errors.New("there is no Caddyfile here: name your configuration with --config")
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	case adapter == "":
		if !json.Valid(text) {
			return nil, fmt.Errorf("%s is not JSON: name its adapter, for example --adapter caddyfile", name)
		}
		return text, nil
	}
	return Adapt(name, adapter, text)
}

// Adapt makes JSON of a config in an adapter's format. The name is its file's, for
// messages and for what it imports.
func Adapt(name, adapter string, text []byte) ([]byte, error) {
	a := caddyconfig.GetAdapter(adapter)
	if a == nil {
		return nil, fmt.Errorf("there is no adapter %q in this build", adapter)
	}
	config, _, err := a.Adapt(text, map[string]any{"filename": name})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAdapt, err)
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
