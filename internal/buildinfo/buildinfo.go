// Package buildinfo tells which plugin, Caddy and Go a program was built with, from
// what the Go toolchain records in it. No linker flags are needed, so that it holds
// for builds by xcaddy, by go build and go run in a clone, and for releases alike.
package buildinfo

import (
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

const (
	plugin = "github.com/caddyspotify/caddy-spotify"
	caddy  = "github.com/caddyserver/caddy/v2"
)

// Info is what a build consists of.
type Info struct {
	// Plugin is the plugin's version as Go has it: a tag such as v0.1.0, a
	// pseudo-version that names a commit, or (devel).
	Plugin string `json:"plugin"`
	// Commit is the plugin's commit, in full where the build was made in a clone and
	// else the twelve digits of a pseudo-version. It is empty where the toolchain
	// recorded none: in builds of a tag by xcaddy, of a folder, and with -buildvcs=false.
	Commit string `json:"commit,omitempty"`
	// Time is the commit's, in RFC 3339, where the build was made in a clone.
	Time string `json:"time,omitempty"`
	// Modified says that the clone had changes that were not committed.
	Modified bool `json:"modified,omitempty"`
	// Replaced is what a replace directive has put in the plugin's place, such as
	// the folder of xcaddy build --with …=.
	Replaced string `json:"replaced,omitempty"`
	// Caddy is Caddy's version.
	Caddy string `json:"caddy"`
	// Go is the version of the toolchain.
	Go string `json:"go"`
	// Platform is the operating system and the architecture: linux/amd64.
	Platform string `json:"platform"`
	// Tags are the build tags, such as nodemo.
	Tags []string `json:"tags,omitempty"`
}

// Read returns the information about this program.
func Read() Info {
	info := Info{Plugin: "unknown", Caddy: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.fill(build)
	}
	return info
}

func (i *Info) fill(build *debug.BuildInfo) {
	if build.Main.Path == plugin {
		i.setPlugin(&build.Main)
	}
	for _, dep := range build.Deps {
		switch dep.Path {
		case plugin:
			i.setPlugin(dep)
		case caddy:
			i.Caddy = dep.Version
			if dep.Replace != nil {
				i.Caddy = strings.TrimSpace(dep.Replace.Path + " " + dep.Replace.Version)
			}
		}
	}
	ours := build.Main.Path == plugin
	for _, setting := range build.Settings {
		switch {
		case setting.Key == "-tags" && setting.Value != "":
			i.Tags = strings.Split(setting.Value, ",")
		case !ours: // The rest is about the repository of another main module.
		case setting.Key == "vcs.revision":
			i.Commit = setting.Value
		case setting.Key == "vcs.time":
			i.Time = setting.Value
		case setting.Key == "vcs.modified":
			i.Modified = setting.Value == "true"
		}
	}
}

// pseudo is the end of a pseudo-version: the commit's time and its first digits. See
// https://go.dev/ref/mod#pseudo-versions.
var pseudo = regexp.MustCompile(`[-.]\d{14}-([0-9a-f]{12})(?:\+|$)`)

func (i *Info) setPlugin(m *debug.Module) {
	i.Plugin = m.Version
	if m.Replace != nil {
		i.Replaced = strings.TrimSpace(m.Replace.Path + " " + m.Replace.Version)
		m = m.Replace
	}
	// A replacement by a folder has no version, and what it replaces tells nothing of it.
	if commit := pseudo.FindStringSubmatch(m.Version); commit != nil {
		i.Commit = commit[1]
	}
}
