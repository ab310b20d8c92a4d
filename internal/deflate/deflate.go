// Package deflate reads gzip streams (RFC 1952, RFC 1951) as what they are made
// of, literals and matches, and writes such streams again.
//
// Whoever changes a few bytes of a compressed text need not compress it again:
// nearly all of the matches that the first compressor found hold in the changed
// text as well. To write those down takes a fraction of the time that it takes
// to search for them, and no more bytes than they took before.
package deflate

import "errors"

// ErrCorrupt is what a stream that is not valid gzip ends with.
var ErrCorrupt = errors.New("deflate: corrupt input")

const (
	// Window is how far back a match may reach, in bytes.
	Window = 32 << 10

	// MinMatch and MaxMatch are the lengths of the shortest and of the longest
	// match that can be written.
	MinMatch, MaxMatch = 3, 258

	maxCodeLength = 15
	endOfBlock    = 256
	literalCodes  = 286 // literals, the end of a block, and lengths
	distanceCodes = 30
	allCodes      = 288 // of the fixed code for literals, two of which never occur
)

// Sequence is a run of literals and the match after it. A run at the end of a
// batch has none, and is not among its sequences.
type Sequence struct {
	Literals uint32 // bytes
	Length   uint16 // of the match, in bytes
	Distance uint16 // how far before its place the match's text is
}

// lengthBase and lengthExtra are the lengths that the codes from 257 on stand
// for, and how many bits follow such a code (RFC 1951 §3.2.5); distanceBase and
// distanceExtra are the same for distances.
var (
	lengthBase = [29]uint16{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	lengthExtra = [29]uint8{
		0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
	}
	distanceBase = [distanceCodes]uint16{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
		8193, 12289, 16385, 24577,
	}
	distanceExtra = [distanceCodes]uint8{
		0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
	}
)

// lengthOrder is the order in which the lengths of the codes for lengths are
// written (RFC 1951 §3.2.7).
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedLengths are those of the fixed codes (RFC 1951 §3.2.6). Two of the
// literal codes and two of the distance codes never occur.
func fixedLengths() (literal [allCodes]uint8, distance [32]uint8) {
	for i := range literal {
		switch {
		case i < 144:
			literal[i] = 8
		case i < 256:
			literal[i] = 9
		case i < 280:
			literal[i] = 7
		default:
			literal[i] = 8
		}
	}
	for i := range distance {
		distance[i] = 5
	}
	return literal, distance
}
