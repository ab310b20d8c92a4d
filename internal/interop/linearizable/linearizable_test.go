// Package linearizable checks that what several instances see of a token store
// could have happened in one order, one operation at a time, however the
// operations overlapped and were cut off.
package linearizable

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

type operation int

const (
	load operation = iota
	create
	update
	remove
)

// input is a call. Payloads are unique, so that they stand for versions.
type input struct {
	key      string
	op       operation
	expected string // the payload that an update replaces
	payload  string // the payload written
}

// output is what came of it.
type output struct {
	err     error  // one of the store's, or nil
	unknown bool   // it failed otherwise, and may have had its effect or not
	payload string // the payload loaded
}

// model is that of one record. A state is the payload, "" for no record.
var model = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[string][]porcupine.Operation)
		for _, op := range history {
			key := op.Input.(input).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{""} },
	Step: func(state, in, out any) []any {
		call, got := in.(input), out.(output)
		before := state.(string)
		after, payload, err := step(before, call)
		switch {
		case got.unknown && after != before:
			return []any{before, after}
		case got.unknown:
			return []any{before}
		case err != got.err || payload != got.payload:
			return nil
		}
		return []any{after}
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
}).ToModel()

// step is the contract of tokenstore.Store.
func step(state string, call input) (after, payload string, err error) {
	switch call.op {
	case load:
		if state == "" {
			return state, "", tokenstore.ErrNotFound
		}
		return state, state, nil
	case create:
		if state != "" {
			return state, "", tokenstore.ErrExists
		}
		return call.payload, "", nil
	case update:
		switch state {
		case "":
			return state, "", tokenstore.ErrNotFound
		case call.expected:
			return call.payload, "", nil
		}
		return state, "", tokenstore.ErrConflict
	}
	return "", "", nil
}

// R38: every store is linearizable while instances and users compete, some calls
// are cut off, and, if there is a server, it stands still now and then.
func TestLinearizable(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (stores []tokenstore.Store, disturb func()){
		"memory": func(*testing.T) ([]tokenstore.Store, func()) {
			s := memory.New(memory.Config{})
			return []tokenstore.Store{s, s.Peer()}, nil
		},
		"files": func(t *testing.T) ([]tokenstore.Store, func()) {
			dir := t.TempDir()
			return []tokenstore.Store{openFiles(t, dir), openFiles(t, dir)}, nil
		},
		"redis": func(t *testing.T) ([]tokenstore.Store, func()) {
			server := redistest.Start(t)
			disturb := func() {
				server.Pause()
				time.Sleep(100 * time.Millisecond)
				server.Resume()
			}
			return []tokenstore.Store{openRedis(t, server), openRedis(t, server)}, disturb
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores, disturb := open(t)
			history := record(t, stores, disturb)
			unknown := 0
			for _, op := range history {
				if op.Output.(output).unknown {
					unknown++
				}
			}
			t.Logf("%d operations, %d of them cut off", len(history), unknown)
			if result := porcupine.CheckOperationsTimeout(model, history, time.Minute); result != porcupine.Ok {
				t.Errorf("the history is %s", result)
				slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
				for _, op := range history {
					t.Logf("%10d-%10d client %d: %+v: %+v", op.Call, op.Return, op.ClientId, op.Input, op.Output)
				}
			}
		})
	}
}

func openFiles(t *testing.T, dir string) tokenstore.Store {
	t.Helper()
	s, err := caddystorage.New(&certmagic.FileStorage{Path: dir}, caddystorage.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openRedis(t *testing.T, server *redistest.Server) tokenstore.Store {
	t.Helper()
	p := &redis.Provider{Addresses: []string{server.Addr}, Timeout: caddy.Duration(50 * time.Millisecond)}
	if err := p.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	s, err := p.Store()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.(*redis.Store).Close() })
	return s
}

const (
	clients = 3 // of each instance
	calls   = 40
	records = 2
)

// record has clients of all instances use a few records, and returns what they
// did.
func record(t *testing.T, stores []tokenstore.Store, disturb func()) []porcupine.Operation {
	t.Helper()
	keys := make([]string, records)
	for i := range keys {
		keys[i] = tokenstore.NewSessionID().Key("linearizable")
	}
	begun := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var users sync.WaitGroup
	_, files := stores[0].(*caddystorage.Store)
	for i, store := range slices.Repeat(stores, clients) {
		users.Go(func() {
			known := make(map[string]tokenstore.Record)
			for range calls {
				call := input{key: keys[mathrand.N(len(keys))], op: operation(mathrand.N(4)), payload: rand.Text()}
				if call.op == remove && mathrand.N(3) > 0 {
					call.op = update // or there would be little to update
				}
				if call.op == create && files && store != stores[0] {
					call.op = load // see caddystorage.Store.Create: one instance makes a key's record
				}
				if call.op == update {
					rec, ok := known[call.key]
					if !ok {
						call.op = load
					}
					call.expected = string(rec.Sealed)
				}
				op := porcupine.Operation{ClientId: i, Input: call, Call: int64(time.Since(begun))}
				got := do(t, store, call, known)
				op.Output, op.Return = got, int64(time.Since(begun))
				if got.unknown {
					op.Return = math.MaxInt64 // its effect may yet come
				}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { users.Wait(); close(done) }()
	for disturb != nil {
		select {
		case <-done:
			return history
		case <-time.After(50 * time.Millisecond):
			disturb()
		}
	}
	<-done
	return history
}

// do makes one call, and remembers in known what the client has seen.
func do(t *testing.T, store tokenstore.Store, call input, known map[string]tokenstore.Record) output {
	ctx := t.Context()
	if mathrand.N(10) == 0 { // whoever hangs up
		cut, cancel := context.WithTimeout(ctx, mathrand.N(2*time.Millisecond))
		defer cancel()
		ctx = cut
	}
	now := time.Now()
	rec := &tokenstore.Record{
		Meta:    tokenstore.Meta{AccountID: "account", CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(time.Hour)},
		Sealed:  []byte(call.payload),
		Version: known[call.key].Version,
	}
	var err error
	var got output
	switch call.op {
	case load:
		rec, err = store.Load(ctx, call.key)
		if err == nil {
			got.payload = string(rec.Sealed)
		}
	case create:
		err = store.Create(ctx, call.key, rec)
	case update:
		err = store.Update(ctx, call.key, rec)
	case remove:
		err = store.Delete(ctx, call.key)
	}
	if err == nil {
		if call.op != remove {
			known[call.key] = *rec
		}
		return got
	}
	for _, one := range []error{tokenstore.ErrNotFound, tokenstore.ErrExists, tokenstore.ErrConflict} {
		if errors.Is(err, one) {
			got.err = one
			return got
		}
	}
	got.unknown = true
	return got
}
