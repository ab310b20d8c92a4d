package deflate

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Writer writes a gzip stream of one member, of literals and matches that others
// have found. It appends to Out. The zero value is to be Reset first.
type Writer struct {
	// Out is what has been written. Whoever takes it away sets it to nil or to
	// what is to be appended to.
	Out []byte

	bits   uint64
	count  uint
	begun  bool
	digest uint32
	size   uint32

	literals  []byte // of the block under way
	sequences []Sequence
	run       int // literals after the last match

	literal   code
	distance  code
	order     code
	symbols   []uint16 // the lengths of both codes, as they are written
	workspace [allCodes]uint32
}

// header is that of a stream whose writer says nothing about itself.
const header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// Reset makes w begin a new stream. It keeps the memory of Out.
func (w *Writer) Reset() {
	w.Out = w.Out[:0]
	w.bits, w.count, w.begun, w.digest, w.size = 0, 0, false, 0, 0
	w.literals, w.sequences, w.run = w.literals[:0], w.sequences[:0], 0
}

// Literals appends text as it is.
func (w *Writer) Literals(text []byte) {
	w.literals = append(w.literals, text...)
	w.run += len(text)
}

// Match appends a match, whose length is at least MinMatch and whose distance is
// at most Window. One that is longer than MaxMatch takes several.
func (w *Writer) Match(length, distance int) {
	for length > 0 {
		n := min(length, MaxMatch)
		if rest := length - n; rest > 0 && rest < MinMatch {
			n -= MinMatch - rest
		}
		w.sequences = append(w.sequences, Sequence{uint32(w.run), uint16(n), uint16(distance)}) //nolint:gosec // in their bounds
		w.run = 0
		length -= n
	}
}

// Sum adds text to the checksum. All that the literals and matches stand for
// has to be.
func (w *Writer) Sum(text []byte) {
	w.digest = crc32.Update(w.digest, crc32.IEEETable, text)
	w.size += uint32(len(text)) //nolint:gosec // modulo 1<<32, as RFC 1952 has it
}

// blockLiterals and blockSequences are how much makes a block. A block describes
// its codes, so that more of them take more bytes, and more time.
const (
	blockLiterals  = 24 << 10
	blockSequences = 6 << 10
)

// EndBatch writes what was appended as a block, if it is enough for one. To be
// called once a batch, it bounds the memory.
func (w *Writer) EndBatch() {
	if len(w.literals) >= blockLiterals || len(w.sequences) >= blockSequences {
		w.endBlock(false)
	}
}

// Flush makes Out hold everything that was appended, as a whole number of bytes.
func (w *Writer) Flush() {
	if len(w.literals) > 0 || len(w.sequences) > 0 {
		w.endBlock(false)
	}
	w.put(0, 3) // a stored block, not the last
	w.align()
	w.Out = append(w.Out, 0, 0, 0xff, 0xff)
}

// End ends the stream.
func (w *Writer) End() {
	w.endBlock(true)
	w.align()
	w.Out = binary.LittleEndian.AppendUint32(w.Out, w.digest)
	w.Out = binary.LittleEndian.AppendUint32(w.Out, w.size)
}

func (w *Writer) endBlock(last bool) {
	if !w.begun {
		w.Out = append(w.Out, header...)
		w.begun = true
	}
	clear(w.literal.counts[:])
	clear(w.distance.counts[:])
	for _, c := range w.literals {
		w.literal.counts[c]++
	}
	for _, s := range w.sequences {
		symbol, _, _ := lengthSymbol(s.Length)
		w.literal.counts[symbol]++
		symbol, _, _ = distanceSymbol(s.Distance)
		w.distance.counts[symbol]++
	}
	w.literal.counts[endOfBlock] = 1

	own := fixedCodes()
	literal, distance := &own.literal, &own.distance
	size, kind := w.bitsOf(literal, distance), uint64(blockFixed)
	const few = 24 // symbols for which to describe a code takes more than it saves
	if len(w.literals)+len(w.sequences) > few {
		w.literal.assign(w.workspace[:], maxCodeLength)
		w.distance.assign(w.workspace[:], maxCodeLength)
		described := w.describe()
		if n := described + w.bitsOf(&w.literal, &w.distance); n < size {
			size, kind, literal, distance = n, uint64(blockDynamic), &w.literal, &w.distance
		}
	}
	w.grow(size/8 + 32)
	head := kind << 1
	if last {
		head |= 1
	}
	w.put(head, 3)
	if kind == uint64(blockDynamic) {
		w.putCodes()
	}
	w.putSymbols(literal, distance)
	w.literals, w.sequences, w.run = w.literals[:0], w.sequences[:0], 0
}

// bitsOf returns how many bits the block's symbols take in a code.
func (w *Writer) bitsOf(literal, distance *code) int {
	n := 0
	for i, times := range w.literal.counts {
		n += int(times) * int(literal.lengths[i])
	}
	for i, times := range w.literal.counts[257:literalCodes] {
		n += int(times) * int(lengthExtra[i])
	}
	for i, times := range w.distance.counts[:distanceCodes] {
		n += int(times) * (int(distance.lengths[i]) + int(distanceExtra[i]))
	}
	return n
}

// putSymbols writes the block's symbols and its end.
func (w *Writer) putSymbols(literal, distance *code) {
	acc, n := w.bits, w.count // less than a byte whenever it was stored
	out := w.Out[:cap(w.Out)]
	at := len(w.Out)
	text := w.literals
	for i := 0; i <= len(w.sequences); i++ {
		var s Sequence
		run := text
		if i < len(w.sequences) {
			s = w.sequences[i]
			run = text[:s.Literals]
		}
		text = text[len(run):]
		for len(run) >= 3 {
			a, b, c := literal.words[run[0]], literal.words[run[1]], literal.words[run[2]]
			acc |= uint64(a>>4) << n
			n += uint(a & 15)
			acc |= uint64(b>>4) << n
			n += uint(b & 15)
			acc |= uint64(c>>4) << n
			n += uint(c & 15)
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(n >> 3) //nolint:gosec // at most 6
			acc >>= n &^ 7
			n &= 7
			run = run[3:]
		}
		for _, c := range run {
			a := literal.words[c]
			acc |= uint64(a>>4) << n
			n += uint(a & 15)
		}
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3) //nolint:gosec // at most 4
		acc >>= n &^ 7
		n &= 7
		if s.Length == 0 {
			break
		}
		symbol, extra, value := lengthSymbol(s.Length)
		a := literal.words[symbol]
		acc |= uint64(a>>4) << n
		n += uint(a & 15)
		acc |= value << n
		n += extra
		symbol, extra, value = distanceSymbol(s.Distance)
		a = distance.words[symbol]
		acc |= uint64(a>>4) << n
		n += uint(a & 15)
		acc |= value << n
		n += extra
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3) //nolint:gosec // at most 6
		acc >>= n &^ 7
		n &= 7
	}
	w.Out = out[:at]
	w.bits, w.count = acc, n
	end := literal.words[endOfBlock]
	w.put(uint64(end>>4), uint(end&15))
}

// grow makes room for n bytes.
func (w *Writer) grow(n int) {
	if cap(w.Out)-len(w.Out) < n {
		w.Out = append(make([]byte, 0, 2*cap(w.Out)+n), w.Out...)
	}
}

// put writes at most 32 bits.
func (w *Writer) put(value uint64, n uint) {
	w.bits |= value << w.count
	for w.count += n; w.count >= 8; w.count -= 8 {
		w.Out = append(w.Out, byte(w.bits)) //nolint:gosec // the lowest ones
		w.bits >>= 8
	}
}

// align fills the last byte.
func (w *Writer) align() { w.put(0, -w.count&7) }

var lengthSymbols = func() (symbols [MaxMatch + 1]uint8) {
	for i, base := range lengthBase {
		for n := int(base); n <= min(MaxMatch, int(base)+1<<lengthExtra[i]-1); n++ {
			symbols[n] = uint8(i) //nolint:gosec // at most 28
		}
	}
	return symbols
}()

// lengthSymbol returns the symbol of a length, and the value and number of the
// bits after it.
func lengthSymbol(length uint16) (symbol, extra uint, value uint64) {
	i := lengthSymbols[length]
	return 257 + uint(i), uint(lengthExtra[i]), uint64(length - lengthBase[i])
}

func distanceSymbol(distance uint16) (symbol, extra uint, value uint64) {
	d := uint(distance) - 1
	if d < 4 {
		return d, 0, 0
	}
	extra = uint(bits.Len(d)) - 2 //nolint:gosec // at least 1
	return extra<<1 + d>>extra, extra, uint64(d & (1<<extra - 1))
}
