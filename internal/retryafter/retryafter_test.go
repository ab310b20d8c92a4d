package retryafter

import (
	"math"
	"net/http"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]struct {
		wait time.Duration
		ok   bool
	}{
		"30":                      {30 * time.Second, true},
		" 0 ":                     {0, true},
		"":                        {0, false},
		"-5":                      {0, false},
		"1.5":                     {0, false},
		"now":                     {0, false},
		"99999999999999999999999": {time.Duration(math.MaxInt64).Truncate(time.Second), true},
		now.Add(90 * time.Second).Format(http.TimeFormat):  {90 * time.Second, true},
		now.Add(-90 * time.Second).Format(http.TimeFormat): {0, true},
		"Sat, 01 Aug 2026 12:00:07 UTC":                    {0, false},
		now.Add(7 * time.Second).Format(time.ANSIC):        {7 * time.Second, true},
		"Saturday, 01-Aug-26 12:00:08 GMT":                 {8 * time.Second, true},
	} {
		if wait, ok := Parse(header, now); wait != want.wait || ok != want.ok {
			t.Errorf("Parse(%q) = %s, %v, want %s, %v", header, wait, ok, want.wait, want.ok)
		}
	}
}
