package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// LoadEnvFiles sets the variables of environment files that are not set yet, as
// Caddy's own commands do for --envfile, whose parser is not exported.
func LoadEnvFiles(files []string) error {
	for _, file := range files {
		if err := loadEnvFile(file); err != nil {
			return fmt.Errorf("reading the environment file %s: %w", file, err)
		}
	}
	if len(files) > 0 {
		// The files may say where Caddy's data is.
		caddy.DefaultStorage = &certmagic.FileStorage{Path: caddy.AppDataDir()}
	}
	return nil
}

func loadEnvFile(file string) error {
	f, err := os.Open(file) //nolint:gosec // the operator names their own file
	if err != nil {
		return err
	}
	defer f.Close()
	env, err := parseEnv(f)
	if err != nil {
		return err
	}
	for name, value := range env {
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// parseEnv reads KEY=VALUE lines. A value may be quoted, and then go on over
// several lines. What follows a # is a comment, in quotes as well.
func parseEnv(r io.Reader) (map[string]string, error) {
	env := make(map[string]string)
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimPrefix(name, "export ")
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d is not of the form KEY=VALUE", n)
		case name == "" || strings.Contains(name, " "):
			return nil, fmt.Errorf("line %d: %q is not the name of a variable", n, name)
		case strings.HasPrefix(value, " ") || strings.HasPrefix(value, "\t"):
			return nil, fmt.Errorf("line %d: there is a space before the value", n)
		}
		if before, _, comment := strings.Cut(value, "#"); comment {
			value = strings.TrimRight(before, " \t")
		}
		if value != "" && (value[0] == '"' || value[0] == '\'') {
			quote := value[:1]
			for !strings.HasSuffix(line, quote) || strings.HasSuffix(line, `\`+quote) {
				value = strings.ReplaceAll(value, `\`+quote, quote)
				if !scanner.Scan() {
					break
				}
				n++
				line = strings.ReplaceAll(scanner.Text(), `\`+quote, quote)
				value += "\n" + line
			}
			value = strings.TrimSuffix(strings.TrimPrefix(value, quote), quote)
		}
		env[name] = value
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("a line is longer than %d bytes", bufio.MaxScanTokenSize)
	} else if err != nil {
		return nil, err
	}
	return env, nil
}
