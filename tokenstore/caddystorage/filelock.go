package caddystorage

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/caddyserver/certmagic"
)

// File storage tells a lock whose holder was killed by the time in its file,
// which the holder's process writes every five seconds. But a process knows the
// file by its name only. One that has just given a lock back keeps that of the
// next holder fresh as well, and goes on with it when that holder is killed, so
// that the lock never goes stale. Nobody but a holder writes when the lock was
// made, though. Here those who hold a lease write that anew, and those who
// change a record are soon done: a lock that was made long ago is nobody's.
const (
	// orphanAge is the age of such a lock.
	orphanAge = 2 * leaseTime
	// orphanCheck is how often those who wait for a lock look at its age.
	orphanCheck = 5 * time.Second
)

var errNotOurLock = errors.New("the lock file is somebody else's")

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

// lockStorage is the storage's Lock, and sees to the locks that file storage
// would keep for ever.
func lockStorage(ctx context.Context, storage certmagic.Storage, name string) error {
	files, ok := storage.(*certmagic.FileStorage)
	if !ok {
		return storage.Lock(ctx, name)
	}
	for {
		bounded, cancel := context.WithTimeout(ctx, orphanCheck)
		err := files.Lock(bounded, name)
		late := bounded.Err() != nil
		cancel()
		if err == nil || !late || ctx.Err() != nil {
			return err
		}
		// One that cannot be read is being written, or else goes stale.
		if lock, err := readFileLock(ctx, files, name); err == nil && time.Since(lock.Created) > orphanAge {
			_ = files.Unlock(ctx, name) // if it cannot be removed, Lock says so
		}
	}
}

// renewerOf returns what renews the leases in a storage, or nil.
func renewerOf(storage certmagic.Storage) certmagic.LockLeaseRenewer {
	switch s := storage.(type) {
	case certmagic.LockLeaseRenewer:
		return s
	case *certmagic.FileStorage:
		return &fileRenewer{files: s}
	}
	return nil
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
