package suggest

import (
	"regexp"
	"strconv"
	"strings"
)

// part is a number with its unit.
var part = regexp.MustCompile(`^[ ,]*([0-9]{1,6})[ -]*([a-z]+)\.?(?: +and\b)?`)

// units are the words for each unit, the largest first, with how many of the
// unit that Caddy reads they are.
var units = []struct {
	words string
	times int
	unit  string
}{
	{" y yr yrs year years ", 365, "d"},
	{" mo mon month months ", 30, "d"},
	{" w wk wks week weeks ", 7, "d"},
	{" d day days ", 1, "d"},
	{" h hr hrs hour hours ", 1, "h"},
	{" m min mins minute minutes ", 1, "m"},
	{" s sec secs second seconds ", 1, "s"},
}

// Duration returns a duration as Caddy reads it, such as 30d, for one that is
// written as people do, such as "30 days". It returns "" for anything else.
func Duration(text string) string {
	text = strings.ToLower(text)
	var b strings.Builder
	largest := 0 // index of units that the next part may have
	for text != "" {
		match := part.FindStringSubmatch(text)
		if match == nil {
			return ""
		}
		text = text[len(match[0]):]
		found := false
		for i := largest; i < len(units) && !found; i++ {
			if found = strings.Contains(units[i].words, " "+match[2]+" "); found {
				n, err := strconv.Atoi(match[1])
				if err != nil {
					return ""
				}
				b.WriteString(strconv.Itoa(n*units[i].times) + units[i].unit)
				largest = i + 1
			}
		}
		if !found {
			return ""
		}
	}
	return b.String()
}
