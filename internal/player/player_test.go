package player

import (
	"errors"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const rest = `"timestamp":1,"device":{"id":"d","volume_percent":5},"item":{"uri":"spotify:track:x","duration_ms":200000}`
	parse := func(body string) State {
		t.Helper()
		st, err := Parse([]byte(body))
		if err != nil {
			t.Errorf("Parse(%s): %v", body, err)
		}
		return st
	}
	st := parse(`{"is_playing":true,"progress_ms":1500,` + rest + `}`)
	if !st.Active || !st.Playing || st.Item != "spotify:track:x" || st.Progress != 1500*time.Millisecond || st.Duration != 200*time.Second {
		t.Errorf("parsed as %+v", st)
	}
	later := parse(`{ "progress_ms": 9000, "is_playing": true, "timestamp":2, "device": {"id":"d","volume_percent":5},"item":{"uri":"spotify:track:x","duration_ms":200000} }`)
	if later.Rest != st.Rest {
		t.Error("position, time and spaces count as a change")
	}
	if louder := parse(`{"is_playing":true,"progress_ms":1500,"device":{"id":"d","volume_percent":6},"item":null}`); louder.Rest == st.Rest {
		t.Error("the volume does not count as a change")
	}
	if ad := parse(`{"is_playing":true,"item":null,"currently_playing_type":"ad","progress_ms":null}`); !ad.Advertisement || ad.Item != "" || ad.Duration != 0 {
		t.Errorf("an advertisement is %+v", ad)
	}
	if st := parse(""); st != Idle {
		t.Errorf("a 204 is %+v", st)
	}
	if st := parse(`{"is_playing":true,"progress_ms":-5,"item":{"uri":"u","duration_ms":1e300}}`); st.Progress != 0 || st.Duration != longest {
		t.Errorf("what cannot be is %+v", st)
	}
	for _, body := range []string{"null", "[]", "5", "{", `{"error":{"status":500}}`, `{"is_playing":"yes"}`, `{"is_playing":true,"item":5}`} {
		if _, err := Parse([]byte(body)); !errors.Is(err, ErrMalformed) {
			t.Errorf("Parse(%s): %v", body, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"is_playing":true,"progress_ms":1500,"item":{"uri":"u","duration_ms":2e5}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		st, err := Parse(body)
		if err != nil && st != (State{}) {
			t.Errorf("%v with an error", st)
		}
		if st.Progress < 0 || st.Progress > longest || st.Duration < 0 || st.Duration > longest {
			t.Errorf("position or length out of bounds: %+v", st)
		}
		var sc Schedule
		sc.Observed(0, st)
		if sc.Next() <= 0 {
			t.Error("asks again at once")
		}
	})
}
