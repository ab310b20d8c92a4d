package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// storeFolders is where a store keeps its files. What root creates there its owner
// cannot write, so the check must leave none of its own.
type storeFolders struct {
	root    string // of the storage
	records string // the folder of the records
}

// foldersOf returns the folders of a store, or nil if it is not in files.
func foldersOf(store tokenstore.Store, storage certmagic.Storage) *storeFolders {
	within, ok := store.(interface{ Folder() string })
	if !ok {
		return nil
	}
	files, ok := storage.(*certmagic.FileStorage)
	if !ok {
		return nil
	}
	return &storeFolders{root: files.Path, records: files.Filename(within.Folder())}
}

// notOurs returns a folder of the storage that another user than root owns, if it is
// root who asks: the one that a record would be put into, or one above it.
func (f *storeFolders) notOurs() (path, owner string, ok bool) {
	if os.Geteuid() != 0 {
		return "", "", false
	}
	for _, folder := range []string{f.root, f.records, f.locks()} {
		if uid, known := ownerOf(existing(folder)); known && uid != 0 {
			return folder, userName(uid), true
		}
	}
	return "", "", false
}

// rootsOwn returns a folder of root's in a storage that is another user's.
func (f *storeFolders) rootsOwn() (path, owner string, ok bool) {
	uid, known := ownerOf(existing(f.root))
	if !known || uid == 0 {
		return "", "", false
	}
	folders := append(f.above(f.records), f.locks())
	entries, _ := os.ReadDir(f.records) // none if it cannot be read, which the check itself finds out
	for _, e := range entries {
		folders = append(folders, filepath.Join(f.records, e.Name()))
	}
	for _, folder := range folders {
		if by, known := ownerOf(folder); known && by == 0 {
			return folder, userName(uid), true
		}
	}
	return "", "", false
}

// tidy returns a function that removes the folders that are there only since now,
// if the record of a key was all that they were for.
func (f *storeFolders) tidy(key string) func() {
	var missing []string
	for _, leaf := range []string{filepath.Join(f.records, key[:2]), f.locks()} {
		for folder := leaf; ; folder = filepath.Dir(folder) {
			// A link that leads nowhere, as to a volume that is not mounted, is there.
			if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
				break
			}
			missing = append(missing, folder)
		}
	}
	return func() {
		// Twice: the second leaf may have been in the way of what both are in.
		for range 2 {
			for _, folder := range missing {
				_ = os.Remove(folder) // not if somebody else has put something there
			}
		}
	}
}

// above returns the folders from a path up to below the root.
func (f *storeFolders) above(path string) []string {
	var folders []string
	for ; strings.HasPrefix(path, f.root+string(filepath.Separator)); path = filepath.Dir(path) {
		folders = append(folders, path)
	}
	return folders
}

func (f *storeFolders) locks() string { return filepath.Join(f.root, "locks") }

// existing returns the path, or the nearest above it that exists.
func existing(path string) string {
	for path != filepath.Dir(path) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}
