package notify

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Webhook is the webhook of an operator, as it is configured: its URL, headers to send, and members to
// add to a notice.
type Webhook struct {
	URL             string
	Headers, Fields map[string]string
}

// UnmarshalCaddyfile reads the option notify, whose name has been consumed:
//
//	notify <url> {
//	    header <name> <value>
//	    field  <name> <value>
//	}
func (w *Webhook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return d.Errf("notify takes the URL of a webhook, not %d values (if it is a variable, set it)", len(args))
	}
	w.URL = args[0]
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		of := map[string]*map[string]string{"header": &w.Headers, "field": &w.Fields}[d.Val()]
		if of == nil {
			return d.Errf("unknown option %q in notify: use header, field", d.Val())
		}
		option, values := d.Val(), d.RemainingArgs()
		if len(values) != 2 {
			return d.Errf("notify %s takes a name and a value, not %d values: put a value with spaces in quotes", option, len(values))
		}
		if _, twice := (*of)[values[0]]; twice {
			return d.Errf("notify %s %s is given twice: remove one", option, values[0])
		}
		if *of == nil {
			*of = make(map[string]string)
		}
		(*of)[values[0]] = values[1]
	}
	return nil
}

// replaced is w with Caddy's global placeholders replaced.
func (w Webhook) replaced() Webhook {
	repl := caddy.NewReplacer()
	all := func(values map[string]string) map[string]string {
		result := make(map[string]string, len(values))
		for name, value := range values {
			result[name] = strings.TrimSpace(repl.ReplaceAll(value, ""))
		}
		return result
	}
	return Webhook{strings.TrimSpace(repl.ReplaceAll(w.URL, "")), all(w.Headers), all(w.Fields)}
}
