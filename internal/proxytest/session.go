package proxytest

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// SessionInfo is what GET /spotify/session returns.
type SessionInfo struct {
	Authenticated bool
	Account       struct {
		ID          string
		DisplayName string `json:"display_name"`
	}
	Scopes        []string
	ExpiresAt     time.Time `json:"expires_at"`
	ReauthorizeBy time.Time `json:"reauthorize_by"`
	Due           bool      `json:"reauthorization_due"`
	LoginURL      string    `json:"login_url"`
	LogoutURL     string    `json:"logout_url"`
}

// Session returns what the browser is told about its session.
func (b *Browser) Session() SessionInfo {
	b.T.Helper()
	var info SessionInfo
	a := b.WantStatus(b.Fetch("GET", "/spotify/session", ""), http.StatusOK)
	if err := json.Unmarshal([]byte(a.Text), &info); err != nil {
		b.T.Fatal(err)
	}
	return info
}

// SessionCookie returns the value of the session cookie, which there must be.
func (b *Browser) SessionCookie() string {
	b.T.Helper()
	value := b.Cookies()["spotify_session"]
	if value == "" {
		b.T.Fatal("no session cookie")
	}
	return value
}

// StoredFiles returns the contents of the session records in Caddy's storage, by
// path, and of the lists of sessions and keys. The counts of requests are none.
func (p *Proxy) StoredFiles() map[string]string {
	p.T.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(filepath.Join(p.Storage, "spotify"), func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && d.IsDir() && (d.Name() == "quota" || d.Name() == "account") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			// The temporary file of a write in the background, which has its name by now.
			return nil
		}
		files[path] = string(b)
		return err
	})
	if err != nil {
		p.T.Fatal(err)
	}
	return files
}

// StoredSessions is StoredFiles without the lists of people's sessions.
func (p *Proxy) StoredSessions() map[string]string {
	p.T.Helper()
	files := p.StoredFiles()
	maps.DeleteFunc(files, func(_, content string) bool { return strings.Contains(content, `"kind":"session_index"`) })
	return files
}
