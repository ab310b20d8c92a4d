package main

import (
	"cmp"
	"fmt"
	"strings"
)

// Both servers run the same program with the same options, and write no access
// log.
const globalOptions = `{
	admin {admin}
	persist_config off
	storage_check off
	storage_clean_interval off
	skip_install_trust
	default_sni 127.0.0.1
	auto_https disable_redirects
	log {
		level ERROR
	}
}
`

const clientID = "0123456789abcdef0123456789abcdef"

func site(addr string, sc scenario, body string) string {
	scheme, tls := "http", ""
	if sc.secure {
		scheme, tls = "https", "\ttls internal\n"
	}
	options := strings.Replace(globalOptions, "{admin}", cmp.Or(sc.admin, "off"), 1)
	return fmt.Sprintf("%s%s://%s {\n%s%s}\n", options, scheme, addr, tls, body)
}

// plainCaddyfile is reverse_proxy with a fixed token, and with as many idle
// connections as the proxy keeps.
func plainCaddyfile(upstreamAddr, addr string, sc scenario) string {
	return site(addr, sc, fmt.Sprintf(`	reverse_proxy %s {
		header_up Authorization "Bearer %s"
		transport http {
			keepalive_idle_conns_per_host 256
		}
	}
`, upstreamAddr, accessToken(1)))
}

// proxyCaddyfile is spotify_proxy with its defaults, save for what the scenario
// is about.
func proxyCaddyfile(upstreamAddr, addr string, sc scenario) string {
	scheme, more := "http", ""
	if sc.secure {
		scheme = "https"
	}
	if sc.unpacked {
		more = "\n\t\tcompression off"
	}
	if sc.share {
		more += "\n\t\tshare {\n\t\t\towner user1\n\t\t\tallow /v1/me/player\n\t\t\tscopes user-read-playback-state\n\t\t}"
	}
	api := "http://" + upstreamAddr
	if sc.far != "" {
		api = "https://" + sc.far
	}
	return site(addr, sc, strings.NewReplacer(
		"{api}", api,
		"{id}", clientID, "{site}", scheme+"://"+addr, "{upstream}", "http://"+upstreamAddr,
		"{links}", sc.links, "{store}", cmp.Or(sc.store, "caddy"), "{more}", more,
	).Replace(`	spotify_proxy {
		client_id {id}
		redirect_uri {site}/spotify/callback
		scopes user-read-private user-top-read
		authorize_url {upstream}/authorize
		token_url {upstream}/api/token
		api_url {api}
		links {links}
		store {store}{more}
	}
`))
}
