package links

import "math"

// region is a stretch of a text that is replaced.
type region struct {
	start, end int
	grown      int // by how much the text before it has grown
	style      int
}

// bucketSize is for how many bytes of text there is one entry in the index of
// regions. It is a power of two.
const bucketSize = 64

// noRegion is where the region begins that is after all others.
const noRegion = math.MaxInt / 2

// regions are those of a piece of text, in order, and one more at the end that
// is never reached.
type regions struct {
	all []region
	// first is, for each bucket, the first region that ends after its start. It
	// is known up to the bucket of the last region.
	first []uint16
}

func (rs *regions) reset() {
	rs.all = append(rs.all[:0], region{start: noRegion, end: noRegion})
	rs.first = rs.first[:0]
}

// last is the index of the one that is never reached.
func (rs *regions) last() int { return len(rs.all) - 1 }

// add appends a region that makes the text longer by so many bytes.
func (rs *regions) add(start, end, growth, style int) {
	n := rs.last()
	grown := rs.all[n].grown
	rs.all[n] = region{start, end, grown, style}
	rs.all = append(rs.all, region{noRegion, noRegion, grown + growth, 0})
	for len(rs.first)*bucketSize < end {
		rs.first = append(rs.first, uint16(n)) //nolint:gosec // fewer than bytes of text
	}
}

// after returns the first region that ends after a place in the text.
func (rs *regions) after(at int) int {
	b := at / bucketSize
	if b >= len(rs.first) {
		b = len(rs.first) - 1
		if b < 0 {
			return rs.last()
		}
	}
	i := int(rs.first[b])
	for rs.all[i].end <= at {
		i++
	}
	return i
}

// move says that the text has moved to the front by n bytes, of which the first
// n are gone. It returns how many regions are.
func (rs *regions) move(n int) (gone int) {
	gone = rs.after(n)
	old := rs.all[gone:]
	rs.all, rs.first = rs.all[:0], rs.first[:0]
	for i, r := range old {
		if r.start != noRegion {
			r.start, r.end = r.start-n, r.end-n
			for len(rs.first)*bucketSize < r.end {
				rs.first = append(rs.first, uint16(i)) //nolint:gosec // fewer than bytes of text
			}
		}
		rs.all = append(rs.all, r)
	}
	return gone
}
