//go:build unix

package operation_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// tree describes what is below a folder, and the folder: names, owners, modes and
// contents.
func tree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %s %d:%d", path, info.Mode(), stat.Uid, stat.Gid)
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", content)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// O57: the check changes nothing in a store, whoever runs it.
func TestCheckLeavesTheStoreAsItIs(t *testing.T) {
	const other = 4242
	fill := func(t *testing.T, storage string) {
		t.Helper()
		folder := filepath.Join(storage, "spotify", "sessions", "ab")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "x.json"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	give := func(t *testing.T, storage string) {
		t.Helper()
		if os.Geteuid() != 0 {
			t.Skip("only root can give files away")
		}
		err := filepath.WalkDir(storage, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, other, other)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, storage string)
		storage string // below a folder of the test's
		code    int
		says    string
	}{
		"empty":         {func(*testing.T, string) {}, "", 0, "✓ store"},
		"not there yet": {func(*testing.T, string) {}, "a/b", 0, "✓ store"},
		"in use":        {fill, "", 0, "✓ store"},
		"another user's": {func(t *testing.T, storage string) {
			fill(t, storage)
			give(t, storage)
		}, "", 0, "- store          caddy: not tried as root"},
		"another user's, empty":         {give, "", 0, "- store          caddy: not tried as root"},
		"another user's, not there yet": {give, "a/b", 0, "- store          caddy: not tried as root"},
		"root's, with another user's folder in it": {func(t *testing.T, storage string) {
			fill(t, storage)
			give(t, filepath.Join(storage, "spotify"))
		}, "", 0, "- store          caddy: not tried as root"},
		"a link that leads nowhere": {func(t *testing.T, storage string) {
			if err := os.Symlink(filepath.Join(storage, "not mounted"), filepath.Join(storage, "link")); err != nil {
				t.Fatal(err)
			}
		}, "link", 2, "✗ store          caddy: cannot be written"},
		"another user's, with a folder of root's": {func(t *testing.T, storage string) {
			give(t, storage)
			fill(t, storage)
		}, "", 2, "belongs to root, and Caddy's user cannot write there: chown -R 4242 "},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c.prepare(t, root)
			cmd := proxytest.CaddyCommand(t, "spotify", "check", "--offline", "--envfile", "env", "--config", "Caddyfile")
			for file, content := range map[string]string{
				"env": "# for the service\nexport TEST_STORAGE=\"" + filepath.Join(root, c.storage) + "\"\nTEST_CLIENT_ID=" + proxytest.ClientID + " # the app's\n",
				"Caddyfile": "{\nstorage file_system {$TEST_STORAGE}\n}\nhttp://127.0.0.1:8080 {\nspotify_proxy {\nclient_id {env.TEST_CLIENT_ID}\n" +
					"redirect_uri http://127.0.0.1:8080/spotify/callback\n}\n}\n",
			} {
				if err := os.WriteFile(filepath.Join(cmd.Dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before, home := tree(t, root), tree(t, cmd.Dir)
			stdout, stderr, code := proxytest.Finish(t, cmd)
			if code != c.code || !strings.Contains(stdout, c.says) || stderr != "" {
				t.Errorf("exit code %d, want %d and %q: %s%s", code, c.code, c.says, stdout, stderr)
			}
			if after := tree(t, root); after != before {
				t.Errorf("the storage was\n%sand is\n%s", before, after)
			}
			if after := tree(t, cmd.Dir); after != home {
				t.Errorf("Caddy's folder was\n%sand is\n%s", home, after)
			}
		})
	}
}
