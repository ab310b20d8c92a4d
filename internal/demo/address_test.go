package demo

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestParseListen(t *testing.T) {
	for listen, want := range map[string]string{
		"8080":           "127.0.0.1:8080",
		"0":              "127.0.0.1:0",
		"127.0.0.1:9000": "127.0.0.1:9000",
		"[::1]:9000":     "[::1]:9000",
	} {
		if got, err := parseListen(listen); err != nil || got.String() != want {
			t.Errorf("parseListen(%q) = %v, %v, want %s", listen, got, err, want)
		}
	}
	for listen, remedy := range map[string]string{
		"":                 "use a port",
		"localhost:8080":   "use a port",
		"127.0.0.1":        "use a port",
		":8080":            "use a port",
		"70000":            "use a port",
		"0.0.0.0:8080":     "use 127.0.0.1:8080",
		"192.168.1.7:8080": "use 127.0.0.1:8080",
		"127.0.0.2:8080":   "use 127.0.0.1:8080",
	} {
		if got, err := parseListen(listen); err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("parseListen(%q) = %v, %v, want an error that says %q", listen, got, err, remedy)
		}
	}
}

func TestFreeAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := netip.MustParseAddrPort(ln.Addr().String())

	if got, err := freeAddress(taken, false); err != nil || got == taken || got.Addr() != taken.Addr() || got.Port() == 0 {
		t.Errorf("a port that is taken gave %v, %v, want another one", got, err)
	}
	if got, err := freeAddress(taken, true); err == nil || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("a wanted port that is taken gave %v, %v, want an error", got, err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := freeAddress(taken, true); err != nil || got != taken {
		t.Errorf("a free port gave %v, %v, want it", got, err)
	}
}
