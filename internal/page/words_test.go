package page

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// A text that a translation lacks would leave a hole in a page.
func TestEveryLanguageHasEveryText(t *testing.T) {
	want := keysOf(t, english.Lang)
	for _, w := range languages[1:] {
		got := keysOf(t, w.Lang)
		for _, key := range want {
			if !slices.Contains(got, key) {
				t.Errorf("%s.json lacks %s", w.Lang, key)
			}
		}
		for _, key := range got {
			if !slices.Contains(want, key) {
				t.Errorf("%s.json has %s, which %s.json has not", w.Lang, key, english.Lang)
			}
		}
	}
}

// keysOf returns the paths of the texts of a language that are not empty. A
// message of a problem is left out: in English it may come with the problem.
func keysOf(t *testing.T, lang string) []string {
	t.Helper()
	var parsed map[string]any
	if err := json.Unmarshal([]byte(mustReadPage("words/"+lang+".json")), &parsed); err != nil {
		t.Fatal(err)
	}
	var keys []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		members, ok := v.(map[string]any)
		if !ok {
			if v != "" {
				keys = append(keys, path)
			}
			return
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if name == "message" {
				continue
			}
			walk(path+"."+name, members[name])
		}
	}
	walk("", parsed)
	return keys
}
