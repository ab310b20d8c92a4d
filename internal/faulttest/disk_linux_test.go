package faulttest

import (
	"os"
	"path/filepath"
	"syscall"
)

func init() { disks["a file system without space"] = smallDisk }

// smallDisk has the storage be a file system of its own that can be filled up.
// That takes the right to mount one, without which it reports false.
func smallDisk(c *cluster) (full, free func(*instance), ok bool) {
	c.t.Helper()
	if err := os.MkdirAll(c.storage, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := syscall.Mount("faulttest", c.storage, "tmpfs", 0, "size=1m"); err != nil {
		c.t.Logf("mounting a file system: %v", err)
		return nil, nil, false
	}
	c.t.Cleanup(func() { _ = syscall.Unmount(c.storage, syscall.MNT_DETACH) })
	ballast := filepath.Join(c.storage, "ballast")
	full = func(*instance) {
		f, err := os.Create(ballast)
		if err != nil {
			c.t.Fatal(err)
		}
		defer f.Close()
		for page := make([]byte, 4096); err == nil; {
			_, err = f.Write(page)
		}
		if pathError, is := err.(*os.PathError); !is || pathError.Err != syscall.ENOSPC {
			c.t.Fatalf("filling the disk: %v", err)
		}
	}
	free = func(*instance) {
		if err := os.Remove(ballast); err != nil {
			c.t.Fatal(err)
		}
	}
	return full, free, true
}
