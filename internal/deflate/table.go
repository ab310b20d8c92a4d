package deflate

import (
	"math/bits"
	"sync"
)

// entry is what a code stands for: its length in bits 0 to 3, how many bits
// follow it in bits 4 to 7, its kind, and a value from bit 16 on. The zero entry
// is of a code that is not in use.
type entry uint32

const (
	kindLiteral entry = 1 << 8 // the value is a byte
	kindBase    entry = 1 << 9 // the value is a length or distance, to which the bits that follow are added
	kindEnd     entry = 1 << 10
	kindLink    entry = 1 << 11 // the value is where a second table begins, for the bits that exceed the first
)

func (e entry) length() uint { return uint(e & 15) }
func (e entry) extra() uint  { return uint(e >> 4 & 15) }
func (e entry) value() int   { return int(e >> 16) }

// literalBits and distanceBits are how many bits of a code the first table takes.
const (
	literalBits  = 10
	distanceBits = 8
)

// A complete code has at most half as many long prefixes as it has codes, and
// each of them takes a second table.
type (
	literalTable  [1<<literalBits + allCodes/2<<(maxCodeLength-literalBits)]entry
	distanceTable [1<<distanceBits + 32/2<<(maxCodeLength-distanceBits)]entry
)

// codes are the two tables of a block.
type codes struct {
	literal     literalTable
	distance    distanceTable
	literalSub  uint64 // masks of the second tables
	distanceSub uint64
}

var literalEntries = sync.OnceValue(func() (kinds [allCodes]entry) {
	for i := range 256 {
		kinds[i] = kindLiteral | entry(i)<<16
	}
	kinds[endOfBlock] = kindEnd
	for i, base := range lengthBase {
		kinds[257+i] = kindBase | entry(base)<<16 | entry(lengthExtra[i])<<4
	}
	return kinds
})

var distanceEntries = sync.OnceValue(func() (kinds [32]entry) {
	for i, base := range distanceBase {
		kinds[i] = kindBase | entry(base)<<16 | entry(distanceExtra[i])<<4
	}
	return kinds
})

var (
	literalKinds  = literalEntries()
	distanceKinds = distanceEntries()
)

// fixed are the tables of the fixed codes.
var fixed = sync.OnceValue(func() *codes {
	c := new(codes)
	literal, distance := fixedLengths()
	if !c.setLiteral(literal[:]) || !c.setDistance(distance[:]) {
		panic("deflate: the fixed codes are not valid")
	}
	return c
})

func (c *codes) setLiteral(lengths []uint8) bool {
	if lengths[endOfBlock] == 0 {
		return false
	}
	var ok bool
	c.literalSub, ok = build(c.literal[:], literalBits, lengths, literalKinds[:])
	return ok
}

func (c *codes) setDistance(lengths []uint8) bool {
	var ok bool
	c.distanceSub, ok = build(c.distance[:], distanceBits, lengths, distanceKinds[:])
	return ok
}

// build fills a table of a code with the lengths given, and returns the mask of
// its second tables. A code has to be complete, unless it is a single one of one
// bit, or there is none.
func build(table []entry, first uint, lengths []uint8, kinds []entry) (sub uint64, ok bool) {
	var counts [maxCodeLength + 1]int
	longest, used := uint(0), 0
	for _, n := range lengths {
		if n > 0 {
			counts[n]++
			longest = max(longest, uint(n))
			used++
		}
	}
	var next [maxCodeLength + 1]int
	code := 0
	for n := 1; n <= maxCodeLength; n++ {
		code <<= 1
		next[n] = code
		code += counts[n]
	}
	clear(table[:1<<first])
	switch {
	case used <= 1 && longest <= 1:
	case code != 1<<maxCodeLength:
		return 0, false
	}
	second := uint(0)
	if longest > first {
		second = longest - first
	}
	end := 1 << first
	for symbol, n8 := range lengths {
		if n8 == 0 {
			continue
		}
		n := uint(n8)
		reversed := int(bits.Reverse16(uint16(next[n])) >> (16 - n)) //nolint:gosec // a code has 15 bits
		next[n]++
		e := kinds[symbol] | entry(n) //nolint:gosec // at most 15
		if kinds[symbol] == 0 {
			e = 0 // a code that never occurs
		}
		if n <= first {
			for i := reversed; i < 1<<first; i += 1 << n {
				table[i] = e
			}
			continue
		}
		prefix := reversed & (1<<first - 1)
		if table[prefix] == 0 {
			table[prefix] = kindLink | entry(end)<<16 //nolint:gosec // far less than 1<<16
			clear(table[end : end+1<<second])
			end += 1 << second
		}
		at := table[prefix].value()
		for i := reversed >> first; i < 1<<second; i += 1 << (n - first) {
			table[at+i] = e
		}
	}
	return 1<<second - 1, true
}
