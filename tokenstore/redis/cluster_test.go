package redis_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
	"github.com/caddyspotify/caddy-spotify/tokenstore/storetest"
)

// R28 R38: the suite that every store passes, on a cluster of three. One
// address is enough to find the others.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 3)
	prefixes := make(chan string, 1000)
	for i := range cap(prefixes) {
		prefixes <- "test" + strconv.Itoa(i) + ":"
	}
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Instances {
			one, all := at(nodes[0]), at(nodes[0])
			all.Addresses = []string{nodes[2].Addr, nodes[1].Addr, nodes[0].Addr}
			one.KeyPrefix = <-prefixes
			all.KeyPrefix = one.KeyPrefix
			return storetest.Instances{Stores: []tokenstore.Store{open(t, one), open(t, all)}}
		})
	})
	a, b := open(t, at(nodes[0])), open(t, at(nodes[1]))
	exercise(t, a, b)
	t.Run("spread", func(t *testing.T) {
		for range 64 {
			create(t, a)
		}
		for i, node := range nodes {
			if node.Do("DBSIZE") == int64(0) {
				t.Errorf("node %d holds nothing", i)
			}
		}
	})
	t.Run("resharded", func(t *testing.T) { testResharded(t, nodes, a, b) })
}

// testResharded moves a record to another node while it is in use: it stays where
// clients find it, and its changes are reported from there.
func testResharded(t *testing.T, nodes []*redistest.Server, a, b *redis.Store) {
	events := watch(t, b)
	watched(t, events, b, a)
	key, _ := create(t, a)
	name := "caddy-spotify:{" + key + "}"
	load(t, b, key)

	from, to := 0, 1
	for i, node := range nodes {
		for _, stored := range node.Do("KEYS", "*").([]any) {
			if stored == name {
				from, to = i, (i+1)%len(nodes)
			}
		}
	}
	id := func(i int) string { return nodes[i].Do("CLUSTER", "MYID").(string) }
	slot := strconv.FormatInt(nodes[0].Do("CLUSTER", "KEYSLOT", name).(int64), 10)
	host, port, err := net.SplitHostPort(nodes[to].Addr)
	if err != nil {
		t.Fatal(err)
	}
	nodes[to].Do("CLUSTER", "SETSLOT", slot, "IMPORTING", id(from))
	nodes[from].Do("CLUSTER", "SETSLOT", slot, "MIGRATING", id(to))
	nodes[from].Do("MIGRATE", host, port, name, "0", "5000")
	wantEvent(t, events, key) // the old node deleted it

	// Half way, the old node sends each reader on; then it is all over.
	load(t, b, key)
	nodes[to].Do("CLUSTER", "SETSLOT", slot, "NODE", id(to))
	nodes[from].Do("CLUSTER", "SETSLOT", slot, "NODE", id(to))
	rec := load(t, b, key)
	rec.ExpiresAt = rec.ExpiresAt.Add(time.Hour)
	if err := a.Update(t.Context(), key, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	wantEvent(t, events, key)
	load(t, b, key)
	if err := a.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, key)
}
