// Package suggest finds out what a misspelt word of a configuration was meant to
// be.
package suggest

import (
	"slices"
	"strings"
)

// Nearest returns the one of names that word is most likely a misspelling of, or
// "" if none is close. Case, "_" and "-" do not count.
func Nearest(word string, names []string) string {
	word = plain(word)
	best, least := "", max(1, len(word)/3)+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		n := distance(word, plain(name))
		if n > 1 && len(word) > 2 && strings.HasPrefix(plain(name), word) {
			n = 1 // only begun
		}
		if n < least {
			best, least = name, n
		}
	}
	return best
}

// longest is the longest word that is looked at, in bytes. Options are shorter.
const longest = 64

func plain(word string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(word[:min(len(word), longest)]))
}

// distance is how many bytes have to be inserted, removed, replaced or swapped
// with the next one to make b of a.
func distance(a, b string) int {
	var before, above []int // the rows of the table two above and one above
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
