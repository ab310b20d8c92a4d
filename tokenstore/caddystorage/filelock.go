package caddystorage

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
)

// File storage tells a lock whose holder was killed by the time in its file,
// which the holder's process writes every five seconds. That takes long, and a
// process knows the file by its name only. One that has just given a lock back
// keeps that of the next holder fresh as well, and goes on with it when that
// holder is killed, so that the lock never goes stale. Nobody but a holder writes
// when the lock was made, though. Here those who hold a lease write that again
// several times a second, and those who change a record are soon done.
const (
	// deadAfter is for how long those who wait for a lease see the time when it
	// was made unchanged before they take its holder for dead. They go by their
	// own clock, so that those of two machines may differ. It is also how often
	// they look, and longer than file storage takes to tell that an empty file
	// is no lock.
	deadAfter = 2500 * time.Millisecond
	// orphanAge is the age of a lock that is not renewed and is nobody's.
	orphanAge = time.Minute
	// staleAge is the age at which file storage takes a lock from its holder.
	staleAge = 10 * time.Second
)

var errNotOurLock = errors.New("the lock file is gone, or another holder's")

// fileLock is what the file of a lock says.
type fileLock struct {
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

func fileOfLock(name string) string { return "locks/" + certmagic.StorageKeys.Safe(name) + ".lock" }

func readFileLock(ctx context.Context, files *certmagic.FileStorage, name string) (lock fileLock, err error) {
	text, err := files.Load(ctx, fileOfLock(name))
	if err == nil {
		err = json.Unmarshal(text, &lock)
	}
	return lock, err
}

// lockStorage is the storage's Lock, and sees to the locks in files whose holder
// has died: expired is true if it got one of those.
func lockStorage(ctx context.Context, storage certmagic.Storage, name string, renewed bool) (expired bool, err error) {
	files, ok := storage.(*certmagic.FileStorage)
	if !ok {
		return false, storage.Lock(ctx, name)
	}
	for {
		var before fileLock
		if renewed {
			// If it cannot be read there is none, or it is being written.
			before, _ = readFileLock(ctx, files, name)
		}
		stale := !before.Updated.IsZero() && time.Since(before.Updated) > staleAge
		bounded, cancel := context.WithTimeout(ctx, deadAfter)
		err := files.Lock(bounded, name)
		late := bounded.Err() != nil
		cancel()
		if err == nil || !late || ctx.Err() != nil {
			return expired || stale, err
		}
		lock, err := readFileLock(ctx, files, name)
		if err != nil {
			continue // it is being written, or else goes stale
		}
		dead := renewed && lock.Created.Equal(before.Created)
		if dead || time.Since(lock.Created) > orphanAge {
			_ = files.Unlock(ctx, name) // if it cannot be removed, Lock says so
			expired = true
		}
	}
}

// fileRenewer renews one lease in file storage. Its first renewal takes note of
// the file that Lock has made.
type fileRenewer struct {
	files *certmagic.FileStorage
	made  time.Time
}

// RenewLockLease implements certmagic.LockLeaseRenewer.
func (r *fileRenewer) RenewLockLease(ctx context.Context, name string, _ time.Duration) error {
	lock, err := readFileLock(ctx, r.files, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errNotOurLock // anybody may have it any moment
	case err != nil:
		return err
	case r.made.IsZero():
		r.made = lock.Created
		return nil
	case !lock.Created.Equal(r.made):
		return errNotOurLock
	}
	now := time.Now().UTC().Round(0)
	text, err := json.Marshal(fileLock{Created: now, Updated: now})
	if err != nil {
		return err
	}
	if err := r.files.Store(ctx, fileOfLock(name), text); err != nil {
		return err
	}
	r.made = now
	return nil
}

// taken reports whether the lock file is another holder's by now. It must not be
// called while the lease is being renewed.
func (r *fileRenewer) taken(ctx context.Context, name string) bool {
	lock, err := readFileLock(ctx, r.files, name)
	return err == nil && !r.made.IsZero() && !lock.Created.Equal(r.made)
}
