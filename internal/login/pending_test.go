package login

import (
	"testing"
	"time"
)

// L22: a person has ten minutes by the clock of this process, and an allowance where
// another instance's may differ.
func TestExpiry(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		mark    string
		age     time.Duration
		expired bool
	}{
		{processMark, 0, false}, {processMark, 10 * time.Minute, false}, {processMark, 10*time.Minute + time.Second, true},
		{processMark, -5 * time.Minute, false}, {processMark, -6 * time.Minute, true},
		{"else", 10 * time.Minute, false}, {"else", 15 * time.Minute, false}, {"else", 15*time.Minute + time.Second, true},
		{"else", -5 * time.Minute, false}, {"else", -5*time.Minute - time.Second, true},
	} {
		p := pendingLogin{started: now.Add(-c.age), mark: c.mark}
		if got := p.expired(now); got != c.expired {
			t.Errorf("%s after %s: expired %t", c.mark, c.age, got)
		}
	}
}

// L01, L02: state and verifier are 256 bits each, differ from each other and from login to
// login, and the verifier is as RFC 7636 §4.1 has it.
func TestDerivedFromOneSecret(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		p := pendingLogin{secret: newSecret()}
		codes, err := p.codes()
		if err != nil || len(codes.Verifier) != 43 {
			t.Fatalf("verifier %q: %v", codes.Verifier, err)
		}
		for _, s := range []string{p.secret, p.nonce(), codes.Verifier, codes.Challenge} {
			if seen[s] || !isSecret(s) {
				t.Errorf("%q", s)
			}
			seen[s] = true
		}
	}
}
