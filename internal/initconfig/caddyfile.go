package initconfig

import (
	"bytes"
	_ "embed"
	"fmt"
	"net"
	"strings"
	"text/template"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

//go:embed Caddyfile.tmpl
var source string

var caddyfileTemplate = template.Must(template.New("Caddyfile").Parse(source))

// caddyfile returns the Caddyfile, formatted.
func (a *answers) caddyfile() ([]byte, error) {
	addresses, bind := a.host, ""
	if !a.secure {
		ip, port, err := net.SplitHostPort(a.host)
		if err != nil {
			ip, port = strings.Trim(a.host, "[]"), "80"
		}
		bind = ip
		// A name works as well: a login moves the visitor to the number.
		addresses = fmt.Sprintf("http://%s, http://localhost:%s", a.host, port)
	}
	var b bytes.Buffer
	err := caddyfileTemplate.Execute(&b, map[string]any{
		"Addresses": addresses, "Bind": bind, "ClientID": a.clientID, "RedirectURI": a.redirectURI(),
		"Scopes": strings.Join(a.scopes, " "), "Root": a.root, "Prefix": prefix,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the Caddyfile: %w", err)
	}
	return caddyfile.Format(b.Bytes()), nil
}
