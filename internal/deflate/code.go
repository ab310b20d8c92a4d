package deflate

import (
	"math/bits"
	"slices"
	"sync"
)

// code is a Huffman code, and how often its symbols occur in a block.
type code struct {
	counts  [allCodes]uint32
	lengths [allCodes]uint8
	words   [allCodes]uint32 // the code in reverse, and its length in the lowest 4 bits
}

// fixedCodes are those of RFC 1951 §3.2.6.
var fixedCodes = sync.OnceValue(func() *struct{ literal, distance code } {
	both := new(struct{ literal, distance code })
	literal, distance := fixedLengths()
	copy(both.literal.lengths[:], literal[:])
	copy(both.distance.lengths[:], distance[:])
	both.literal.setWords(maxCodeLength)
	both.distance.setWords(maxCodeLength)
	return both
})

// assign makes the code of the counts, of which none is longer than longest. It
// has at least two symbols, since not everybody can read one of fewer.
func (c *code) assign(workspace []uint32, longest int) {
	// A symbol is in the lower bits, and how often it occurs above. There are
	// fewer symbols in a block than those have room for.
	used := workspace[:0]
	for symbol, times := range c.counts {
		if times > 0 {
			used = append(used, times<<9|uint32(symbol)) //nolint:gosec // an index
		}
	}
	for symbol := uint32(0); len(used) < 2; symbol++ {
		if c.counts[symbol] == 0 {
			used = append(used, 1<<9|symbol)
		}
	}
	slices.Sort(used)
	clear(c.lengths[:])

	// The lengths of a code without a bound (Moffat and Katajainen, In-Place
	// Calculation of Minimum-Redundancy Codes).
	var room [allCodes]int32
	a := room[:len(used)]
	for i, u := range used {
		a[i] = int32(u >> 9) //nolint:gosec // of 23 bits
	}
	minimumRedundancy(a)

	// Codes that are too long become as long as they may, and others longer for
	// that, until the lengths are those of a code again.
	var counts [64]int
	for _, n := range a {
		counts[min(int(n), longest)]++
	}
	total := 0
	for n := 1; n <= longest; n++ {
		total += counts[n] << (longest - n)
	}
	for ; total != 1<<longest; total-- {
		counts[longest]--
		for n := longest - 1; n > 0; n-- {
			if counts[n] > 0 {
				counts[n]--
				counts[n+1] += 2
				break
			}
		}
	}
	at := 0 // the rarest have the longest
	for n := longest; n > 0; n-- {
		for range counts[n] {
			c.lengths[used[at]&(1<<9-1)] = uint8(n) //nolint:gosec // at most 15
			at++
		}
	}
	c.setWords(longest)
}

// minimumRedundancy replaces weights in ascending order by the lengths of their
// codes, which descend.
func minimumRedundancy(a []int32) {
	n := len(a)
	a[0] += a[1]
	root, leaf := 0, 2
	for next := 1; next < n-1; next++ {
		if leaf >= n || a[root] < a[leaf] {
			a[next] = a[root]
			a[root] = int32(next) //nolint:gosec // an index
			root++
		} else {
			a[next] = a[leaf]
			leaf++
		}
		if leaf >= n || root < next && a[root] < a[leaf] {
			a[next] += a[root]
			a[root] = int32(next) //nolint:gosec // an index
			root++
		} else {
			a[next] += a[leaf]
			leaf++
		}
	}
	a[n-2] = 0
	for next := n - 3; next >= 0; next-- {
		a[next] = a[a[next]] + 1
	}
	free, depth := 1, int32(0)
	root, next := n-2, n-1
	for free > 0 {
		inner := 0
		for root >= 0 && a[root] == depth {
			inner++
			root--
		}
		for ; free > inner; free-- {
			a[next] = depth
			next--
		}
		free = 2 * inner
		depth++
	}
}

// setWords makes the words of the lengths.
func (c *code) setWords(longest int) {
	var counts, next [maxCodeLength + 2]int
	for _, n := range c.lengths {
		counts[n]++
	}
	counts[0] = 0
	word := 0
	for n := 1; n <= longest; n++ {
		word = (word + counts[n-1]) << 1
		next[n] = word
	}
	for symbol, n := range c.lengths {
		if n == 0 {
			continue
		}
		reversed := bits.Reverse16(uint16(next[n])) >> (16 - n) //nolint:gosec // a code has 15 bits
		next[n]++
		c.words[symbol] = uint32(reversed)<<4 | uint32(n)
	}
}

// describe makes the code in which both codes of a block are described, and
// returns how many bits that takes.
func (w *Writer) describe() int {
	w.symbols = w.symbols[:0]
	clear(w.order.counts[:])
	literals, distances := w.used()
	var all [literalCodes + distanceCodes]uint8
	n := copy(all[:], w.literal.lengths[:literals])
	n += copy(all[n:], w.distance.lengths[:distances])
	size := 14
	add := func(symbol, value, extra int) {
		w.symbols = append(w.symbols, uint16(symbol|value<<5)) //nolint:gosec // 5 and 7 bits
		w.order.counts[symbol]++
		size += extra
	}
	for i := 0; i < n; {
		length, run := all[i], 1
		for i+run < n && all[i+run] == length {
			run++
		}
		i += run
		if length != 0 {
			add(int(length), 0, 0)
			run--
		}
		for run > 0 {
			switch {
			case length == 0 && run >= 11:
				times := min(run, 138)
				add(18, times-11, 7)
				run -= times
			case length == 0 && run >= 3:
				add(17, run-3, 3)
				run = 0
			case length != 0 && run >= 3:
				times := min(run, 6)
				add(16, times-3, 2)
				run -= times
			default:
				add(int(length), 0, 0)
				run--
			}
		}
	}
	w.order.assign(w.workspace[:], 7)
	for symbol, times := range w.order.counts[:19] {
		size += int(times) * int(w.order.lengths[symbol])
	}
	return size + 3*w.orders()
}

// used returns how many lengths of both codes are written.
func (w *Writer) used() (literals, distances int) {
	literals, distances = literalCodes, distanceCodes
	for w.literal.lengths[literals-1] == 0 {
		literals--
	}
	for w.distance.lengths[distances-1] == 0 {
		distances--
	}
	return literals, distances
}

// orders returns how many lengths of the code for lengths are written.
func (w *Writer) orders() int {
	n := len(lengthOrder)
	for n > 4 && w.order.lengths[lengthOrder[n-1]] == 0 {
		n--
	}
	return n
}

// putCodes writes what describe has prepared (RFC 1951 §3.2.7).
func (w *Writer) putCodes() {
	literals, distances := w.used()
	orders := w.orders()
	w.put(uint64(literals-257)|uint64(distances-1)<<5|uint64(orders-4)<<10, 14) //nolint:gosec // none is negative
	for _, at := range lengthOrder[:orders] {
		w.put(uint64(w.order.lengths[at]), 3)
	}
	for _, s := range w.symbols {
		symbol := s & 31
		word := w.order.words[symbol]
		w.put(uint64(word>>4), uint(word&15))
		switch symbol {
		case 16:
			w.put(uint64(s>>5), 2)
		case 17:
			w.put(uint64(s>>5), 3)
		case 18:
			w.put(uint64(s>>5), 7)
		}
	}
}
