package quota

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// file is what one instance has counted in one hour, as it is stored.
type file struct {
	Version  int           `json:"version"`
	Rows     []storedRow   `json:"rows,omitempty"`
	Observed []Observation `json:"observed,omitempty"`
}

// storedRow is a row, with its counts by the minute of the hour.
type storedRow struct {
	Kind    Kind           `json:"kind"`
	Name    string         `json:"name"`
	Spent   map[int]uint32 `json:"spent,omitempty"`
	Refused map[int]uint32 `json:"refused,omitempty"`
	Held    map[int]uint32 `json:"held,omitempty"`
}

const fileVersion = 1

// maxFile bounds a file that is read, in bytes.
const maxFile = 8 << 20

// fileName names the file of an instance and an hour. Names sort by the hour.
func fileName(hour int64, instance string) string {
	return fmt.Sprintf("%010d-%s.json", hour, instance)
}

// parseFileName is the reverse of fileName.
func parseFileName(name string) (hour int64, instance string, ok bool) {
	number, rest, ok1 := strings.Cut(name, "-")
	instance, ok2 := strings.CutSuffix(rest, ".json")
	hour, err := strconv.ParseInt(number, 10, 64)
	return hour, instance, ok1 && ok2 && err == nil && hour >= 0 && instance != ""
}

// encode returns the file of an hour.
func (l *Ledger) encode(hour int64) ([]byte, error) {
	f := file{Version: fileVersion}
	for _, kind := range append([]Kind{Operation}, callers[:]...) {
		for name, r := range *l.own.of(kind).rows.Load() {
			s := storedRow{kind, l.aliases.ofRow(kind, name, r), r.spent.minutes(hour), r.refused.minutes(hour), r.held.minutes(hour)}
			if s.Spent != nil || s.Refused != nil || s.Held != nil {
				f.Rows = append(f.Rows, s)
			}
		}
	}
	l.seen.mu.Lock()
	for _, o := range l.seen.latest {
		if o.At.Unix()/3600 == hour {
			f.Observed = append(f.Observed, o)
		}
	}
	l.seen.mu.Unlock()
	return json.Marshal(f)
}

// minutes returns the counts of an hour, by the minute, or nil if there are none.
func (s *series) minutes(hour int64) map[int]uint32 {
	p := s.page(hour)
	if p == nil {
		return nil
	}
	var counts map[int]uint32
	for m := range p.cells {
		if n := p.cells[m].Load(); n > 0 {
			if counts == nil {
				counts = make(map[int]uint32)
			}
			counts[m] = n
		}
	}
	return counts
}

// decode reads a file.
func decode(data []byte) (*file, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%d bytes are more than a file can have", len(data))
	}
	f := new(file)
	if err := json.Unmarshal(data, f); err != nil {
		return nil, err
	}
	if f.Version != fileVersion {
		return nil, errors.New("it is of a version that is not known here")
	}
	return f, nil
}

// take adds the counts of an hour that a file has.
func (t *tables) take(f *file, hour int64) {
	for _, stored := range f.Rows {
		of := t.of(stored.Kind)
		if of == nil {
			continue
		}
		for _, r := range []*row{of.get(stored.Name, hour*60), &of.total} {
			r.spent.takeHour(hour, stored.Spent)
			r.refused.takeHour(hour, stored.Refused)
			r.held.takeHour(hour, stored.Held)
		}
	}
}

func (s *series) takeHour(hour int64, counts map[int]uint32) {
	for minute, n := range counts {
		if minute >= 0 && minute < 60 {
			s.add(hour*60+int64(minute), int32(min(n, 1<<30)))
		}
	}
}
