package tokenstore_test

import (
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// What a session's payload comes to with the tokens Spotify gives out.
const payloadSize = 700

const benchNamespace = "0123456789abcdef0123456789abcdef"

func BenchmarkParseSessionID(b *testing.B) {
	cookie := tokenstore.NewSessionID().Cookie()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokenstore.ParseSessionID(cookie); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	id := tokenstore.NewSessionID()
	b.ReportAllocs()
	for b.Loop() {
		id.Digest(benchNamespace)
	}
}

func BenchmarkSeal(b *testing.B) {
	id, plaintext := tokenstore.NewSessionID(), make([]byte, payloadSize)
	b.ReportAllocs()
	for b.Loop() {
		seal(b, id, benchNamespace, plaintext)
	}
}

func BenchmarkOpen(b *testing.B) {
	id := tokenstore.NewSessionID()
	sealed := seal(b, id, benchNamespace, make([]byte, payloadSize))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokenstore.Open(id, benchNamespace, sealed); err != nil {
			b.Fatal(err)
		}
	}
}
