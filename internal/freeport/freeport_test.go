package freeport_test

import (
	"net"
	"slices"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
)

// A reserved port can be listened on, and is nobody else's until the test ends, nor
// that of one of the next tests.
func TestAddress(t *testing.T) {
	var addresses []string
	t.Run("while it runs", func(t *testing.T) {
		seen := make(map[string]bool)
		for range 200 {
			address := freeport.Address(t)
			if seen[address] {
				t.Fatalf("%s was given twice", address)
			}
			seen[address] = true
			addresses = append(addresses, address)
		}
		l, err := net.Listen("tcp", addresses[0])
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		// What keeps other processes away.
		if c, err := net.ListenPacket("udp", addresses[0]); err == nil {
			_ = c.Close()
			t.Errorf("%s is not reserved", addresses[0])
		}
	})
	for _, address := range addresses {
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Errorf("%s is still reserved: %v", address, err)
			continue
		}
		_ = c.Close()
	}
	// What outlives a test and goes by its address is not met by the next one.
	for range 20 {
		t.Run("after it", func(t *testing.T) {
			for range 100 {
				if address := freeport.Address(t); slices.Contains(addresses, address) {
					t.Fatalf("%s is given to another test", address)
				}
			}
		})
	}
}
