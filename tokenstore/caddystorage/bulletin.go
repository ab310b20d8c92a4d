package caddystorage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// note is the content of a note's file. It goes by the clocks of the instances,
// as storages have none of their own.
type note struct {
	Text []byte    `json:"text"`
	Ends time.Time `json:"ends"`
}

// notePath returns where the note under key is stored: beside the folders of
// the records, of which none has this name.
func (b *backend) notePath(key string) string { return b.prefix + "/notes/" + key + ".json" }

// Post implements tokenstore.Bulletin. Of two notes posted at once either may
// stay.
func (s *Store) Post(ctx context.Context, key string, text []byte, life time.Duration) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("posting a note: %w", err)
	}
	_, left, err := s.Read(ctx, key)
	if err != nil || left >= life {
		return err
	}
	file, err := json.Marshal(note{text, s.now().Add(life).UTC()})
	if err != nil {
		return fmt.Errorf("posting a note: %w", err)
	}
	if err := s.storage().Store(ctx, s.notePath(key), file); err != nil {
		return fmt.Errorf("posting a note: %w", err)
	}
	return nil
}

// Read implements tokenstore.Bulletin. A file that is not a note is none.
func (s *Store) Read(ctx context.Context, key string) (text []byte, left time.Duration, err error) {
	if err := begin(ctx, key); err != nil {
		return nil, 0, fmt.Errorf("reading a note: %w", err)
	}
	file, err := s.storage().Load(ctx, s.notePath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading a note: %w", err)
	}
	var n note
	if json.Unmarshal(file, &n) != nil {
		return nil, 0, nil
	}
	if left = n.Ends.Sub(s.now()); left <= 0 {
		return nil, 0, nil
	}
	return n.Text, left, nil
}

var _ tokenstore.Bulletin = (*Store)(nil)
