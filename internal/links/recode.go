package links

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/caddyspotify/caddy-spotify/internal/deflate"
)

// recoder rewrites a text while it stays compressed: of the literals and matches
// that the text came as it makes those of the text that leaves. A match holds in
// both if there is no link in it, or if what it refers to has the same link in
// the same place; its distance grows by what links in between grow by. Only a
// link that is not part of such a match is written out.
//
// Offsets are those in the text of the batch.
type recoder struct {
	rw *Rewriter
	in deflate.Reader
	w  deflate.Writer

	regions regions
	text    []byte
	done    int // text before it has been written
	seen    int // links before it have been found
	next    int // the region that is written next
	found   bool

	// cores are where what replaces a region was last written, by style, in the
	// text that leaves.
	cores [2]int
	// memo is where text was last written as literals for want of a match, and 1
	// more, by a hash of how it begins.
	memo [256]int32
}

// never is so long ago that no match reaches it.
const never = math.MinInt / 2

func (r *recoder) reset(rw *Rewriter) {
	r.rw = rw
	r.w.Reset()
	r.regions.reset()
	r.done, r.seen, r.next, r.found = 0, 0, 0, false
	r.cores = [2]int{never, never}
	clear(r.memo[:])
}

// release forgets what belongs to a body.
func (r *recoder) release() {
	r.rw, r.text = nil, nil
	r.in.Release()
}

// step recodes what comes next. It returns io.EOF at the end of a stream that
// ended well, and another error once all that came before it is written.
func (r *recoder) step() error {
	b, err := r.in.Next()
	if b.Moved > 0 {
		r.move(b.Moved)
	}
	r.text = b.Text
	for {
		at, k := r.rw.match(r.text, r.seen)
		if at < 0 {
			break
		}
		st := &r.rw.styles[k]
		start := at + st.same
		r.regions.add(start, start+st.cut, len(st.core)-st.cut, k)
		r.seen = at + len(st.find)
		r.found = true
	}
	end := len(r.text)
	if err == nil {
		end -= r.rw.held(r.text, r.seen)
	}
	r.seen = end
	r.sum(end)
	r.write(b.From, end, b.Sequences)
	r.done = end
	switch {
	case errors.Is(err, io.EOF):
		r.w.End()
	case err != nil || b.Flush:
		r.w.Flush()
	default:
		r.w.EndBatch()
	}
	return err
}

// move says that the text has moved to the front by n bytes.
func (r *recoder) move(n int) {
	r.next -= r.regions.move(n)
	r.done -= n
	r.seen -= n
	for k := range r.cores {
		r.cores[k] = max(r.cores[k]-n, never)
	}
	for i, at := range r.memo {
		r.memo[i] = max(0, at-int32(n)) //nolint:gosec // less than a batch
	}
}

// sum adds what the text up to end becomes to the checksum.
func (r *recoder) sum(end int) {
	at := r.done
	for _, reg := range r.regions.all[r.next:r.regions.last()] {
		r.w.Sum(r.text[at:reg.start])
		r.w.Sum(r.rw.styles[reg.style].core)
		at = reg.end
	}
	r.w.Sum(r.text[at:end])
}

// write writes the text up to end. From from on it is what the sequences say;
// what was held back before is written as literals.
func (r *recoder) write(from, end int, sequences []deflate.Sequence) {
	cur := r.done
	at := from // where the sequence begins
	for i := range sequences {
		s := &sequences[i]
		at += int(s.Literals)
		if cur < at {
			if cur = r.literals(cur, min(at, end)); cur == end {
				return
			}
		}
		at += int(s.Length)
		if cur >= at {
			continue
		}
		to, distance := min(at, end), int(s.Distance)
		n, m := &r.regions.all[r.next], &r.regions.all[r.regions.after(cur-distance)]
		if to <= n.start && to <= m.start+distance && to-cur >= deflate.MinMatch && distance+n.grown-m.grown <= deflate.Window {
			r.w.Match(to-cur, distance+n.grown-m.grown) // as nearly all of them are
			cur = to
		} else {
			cur = r.match(cur, to, distance)
		}
		if cur == end {
			return
		}
	}
	if cur < end {
		r.literals(cur, end)
	}
}

// literals writes text[cur:end) as literals, but for its links. It returns where
// what it has written ends, which is later if that is within a region.
func (r *recoder) literals(cur, end int) int {
	for cur < end {
		reg := &r.regions.all[r.next]
		if end <= reg.start {
			r.w.Literals(r.text[cur:end])
			return end
		}
		r.w.Literals(r.text[cur:reg.start])
		cur = r.core(reg)
	}
	return cur
}

// core writes what replaces the next region, and returns where that ends.
func (r *recoder) core(reg *region) int {
	core := r.rw.styles[reg.style].core
	at := reg.start + reg.grown
	if distance := at - r.cores[reg.style]; len(core) >= deflate.MinMatch && distance <= deflate.Window {
		r.w.Match(len(core), distance)
	} else {
		r.w.Literals(core)
	}
	r.cores[reg.style] = at
	r.next++
	return reg.end
}

// match writes text[cur:end), which is the same as the text that so many bytes
// before, and returns where what it has written ends.
func (r *recoder) match(cur, end, distance int) int {
	all := r.regions.all
	for cur < end {
		n, m := r.next, r.regions.after(cur-distance)
		grown := all[n].grown - all[m].grown
		to := cur
		for {
			// As far as neither has a region.
			if to = max(to, min(end, all[n].start, all[m].start+distance)); to == end {
				break
			}
			// The same region in both.
			if all[n].start != to || all[m].start+distance != to || all[n].style != all[m].style || all[n].end > end {
				break
			}
			to = all[n].end
			n, m = n+1, m+1
		}
		if to > cur {
			length := to - cur + all[n].grown - all[r.next].grown
			if d := distance + grown; length < deflate.MinMatch || d > deflate.Window || d < 1 {
				cur = r.literals(cur, to)
				continue
			}
			r.w.Match(length, distance+grown)
			for ; r.next < n; r.next++ {
				r.cores[all[r.next].style] = all[r.next].start + all[r.next].grown
			}
			cur = to
			continue
		}
		if all[n].start == cur {
			cur = r.core(&all[n])
			continue
		}
		to = min(end, all[n].start, all[m].end+distance)
		r.orphan(cur, to)
		cur = to
	}
	return cur
}

// orphan writes text[cur:end), which has no link in it, but what it was a match
// of has.
func (r *recoder) orphan(cur, end int) {
	const shortest = 4
	if end-cur < shortest {
		r.w.Literals(r.text[cur:end])
		return
	}
	hash := binary.LittleEndian.Uint32(r.text[cur:]) * 2654435761 >> 24
	at := int(r.memo[hash]) - 1
	if at >= 0 {
		m := r.regions.after(at)
		n, most := 0, min(end-cur, r.regions.all[m].start-at)
		for n < most && r.text[at+n] == r.text[cur+n] {
			n++
		}
		distance := cur - at + r.regions.all[r.next].grown - r.regions.all[m].grown
		if n >= shortest && distance <= deflate.Window {
			r.w.Match(n, distance)
			r.w.Literals(r.text[cur+n : end])
			return
		}
	}
	r.memo[hash] = int32(cur) + 1 //nolint:gosec // less than a batch and a window
	r.w.Literals(r.text[cur:end])
}
