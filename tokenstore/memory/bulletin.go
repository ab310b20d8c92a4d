package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// note is one that was posted.
type note struct {
	text []byte // never written to
	ends time.Time
}

// Post implements tokenstore.Bulletin.
func (s *Store) Post(ctx context.Context, key string, text []byte, life time.Duration) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("posting a note: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.notes, func(_ string, n note) bool { return !now.Before(n.ends) })
	if ends := now.Add(life); s.notes[key].ends.Before(ends) {
		s.notes[key] = note{bytes.Clone(text), ends}
	}
	return nil
}

// Read implements tokenstore.Bulletin.
func (s *Store) Read(ctx context.Context, key string) (text []byte, left time.Duration, err error) {
	if err := begin(ctx, key); err != nil {
		return nil, 0, fmt.Errorf("reading a note: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notes[key]
	if left = n.ends.Sub(s.now()); left <= 0 {
		return nil, 0, nil
	}
	return bytes.Clone(n.text), left, nil
}

var _ tokenstore.Bulletin = (*Store)(nil)
