package caddystorage_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
)

// lockFiles returns the files of the locks that are held.
func lockFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "locks", "*.lock"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

type lockFile struct {
	Created, Updated time.Time
}

func readLock(t *testing.T, file string) (l lockFile) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func writeLock(t *testing.T, file string, l lockFile) {
	t.Helper()
	text, err := json.Marshal(map[string]time.Time{"created": l.Created, "updated": l.Updated})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// R41: the lock of a process that was killed goes, even if another process keeps
// it fresh by mistake because it has held it just before.
func TestLockKeptFreshByMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		store := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{})
		key := newKey()
		l := lease(t, store, key)
		file := lockFiles(t, dir)[0]
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Another process takes it at once, and is killed.
		killed := time.Now()
		writeLock(t, file, lockFile{killed, killed})
		time.Sleep(32 * time.Second) // not when the file is being written
		if time.Since(readLock(t, file).Updated) > 10*time.Second {
			t.Fatal("nobody keeps the lock fresh: this shows nothing")
		}
		// If the lock stays fresh for ever, the test fails and does not hang.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		l, err := store.Lease(ctx, key)
		if err != nil {
			t.Fatalf("the lock of a process that was killed stays: %v", err)
		}
		if held := time.Since(killed); held > 90*time.Second {
			t.Errorf("the lock went after %s", held)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // for those who keep locks fresh to end
	})
}

// R41: so does the lock of a process that was killed while it changed a record.
func TestChangeLockKeptFreshByMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		store := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{})
		key := newKey()
		l := lease(t, store, key)
		file := strings.Replace(lockFiles(t, dir)[0], "refresh", "change", 1)
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), key); err != nil { // takes the lock
			t.Fatal(err)
		}
		killed := time.Now()
		writeLock(t, file, lockFile{killed, killed})
		time.Sleep(32 * time.Second)
		if time.Since(readLock(t, file).Updated) > 10*time.Second {
			t.Fatal("nobody keeps the lock fresh: this shows nothing")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := store.Delete(ctx, key); err != nil {
			t.Errorf("Delete: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// R29: a lease in files is held for as long as its holder lives.
func TestFileLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		key := newKey()
		l := lease(t, open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{}), key)
		waiting := make(chan time.Time, 1)
		other := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{})
		go func() {
			if l, err := other.Lease(t.Context(), key); err != nil {
				t.Errorf("Lease: %v", err)
			} else if err := l.Release(t.Context()); err != nil {
				t.Errorf("Release: %v", err)
			}
			waiting <- time.Now()
		}()
		time.Sleep(3 * time.Minute)
		if isLost(l) {
			t.Error("the lease is lost")
		}
		released := time.Now()
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-waiting; got.Before(released) {
			t.Errorf("another got the lease %s before its release", released.Sub(got))
		}
		time.Sleep(time.Minute)
	})
}

// R29: whose lock file was taken over learns of it, and leaves it to its holder.
func TestFileLeaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := lease(t, open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{}), newKey())
		synctest.Wait()
		file := lockFiles(t, dir)[0]
		time.Sleep(1100 * time.Millisecond) // not in the middle of a renewal
		writeLock(t, file, lockFile{time.Now(), time.Now()})
		select {
		case <-l.Lost():
		case <-time.After(time.Minute):
			t.Error("the lease is not lost")
		}
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		if len(lockFiles(t, dir)) != 1 {
			t.Error("releasing a lost lease took the lock from its holder")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
	})
}

// R29: a lease whose file is another holder's is lost at the next renewal, and
// one that is released before that leaves the file to its holder all the same.
func TestFileLeaseIsLostAtOnce(t *testing.T) {
	for name, wait := range map[string]time.Duration{"before a renewal": 0, "after a renewal": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				l := lease(t, open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{}), newKey())
				synctest.Wait()
				file := lockFiles(t, dir)[0]
				time.Sleep(time.Millisecond)
				writeLock(t, file, lockFile{time.Now(), time.Now()})
				time.Sleep(wait)
				synctest.Wait()
				if isLost(l) != (wait > 0) {
					t.Errorf("lost: %v", isLost(l))
				}
				if err := l.Release(t.Context()); err != nil {
					t.Errorf("Release: %v", err)
				}
				if len(lockFiles(t, dir)) != 1 {
					t.Error("the release took the lock from its holder")
				}
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// R29: whose lock file was removed does not hold the lease any more.
func TestFileLeaseWhoseLockIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := lease(t, open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{}), newKey())
		synctest.Wait()
		if err := os.Remove(lockFiles(t, dir)[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !isLost(l) {
			t.Error("the lease is not lost")
		}
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// R44: the lease of a process that was killed is free within three seconds,
// whatever the machine's clock says, and its heir learns of that.
func TestFileLeaseOfKilledHolder(t *testing.T) {
	for name, off := range map[string]time.Duration{"same clock": 0, "clock ahead": time.Hour, "clock behind": -5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				store := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{})
				key := newKey()
				l := lease(t, store, key)
				if afterExpiry(l) {
					t.Error("AfterExpiry of a first lease")
				}
				file := lockFiles(t, dir)[0]
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // nobody keeps the file fresh any more
				killed := time.Now()
				writeLock(t, file, lockFile{killed.Add(off), killed.Add(off)})
				l = lease(t, store, key)
				if took := time.Since(killed); took > 3*time.Second {
					t.Errorf("the lease was free after %s", took)
				}
				if !afterExpiry(l) {
					t.Error("no AfterExpiry, and the holder before was killed")
				}
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				l = lease(t, store, key)
				if afterExpiry(l) {
					t.Error("AfterExpiry, and the lease before was released")
				}
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// R44: a lock that file storage took from a dead holder by itself counts, too.
func TestFileLeaseOfLongDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		store := open(t, &certmagic.FileStorage{Path: dir}, caddystorage.Config{})
		key := newKey()
		l := lease(t, store, key)
		file := lockFiles(t, dir)[0]
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		killed := time.Now()
		time.Sleep(time.Minute)
		writeLock(t, file, lockFile{killed, killed})
		l = lease(t, store, key)
		if !afterExpiry(l) {
			t.Error("no AfterExpiry, and the holder before was killed")
		}
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
	})
}

func afterExpiry(l tokenstore.Lease) bool {
	told, ok := l.(interface{ AfterExpiry() bool })
	return ok && told.AfterExpiry()
}
