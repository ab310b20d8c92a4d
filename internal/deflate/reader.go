package deflate

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const (
	// batch is how much text a call of Next returns at most, and batchSequences
	// of how many sequences.
	batch          = 64<<10 - 1
	batchSequences = 8 << 10

	// enough is how much text of a block makes a batch. Shorter blocks share one.
	enough = 32 << 10

	// slack is what may be written to beyond the text.
	slack = MaxMatch + 16

	inputSize = 16 << 10
)

// Reader reads a gzip stream of any number of members, whose texts it joins. Its
// memory is bounded, whatever the stream expands to. The zero value is to be
// Reset first.
type Reader struct {
	src     io.Reader
	in      []byte // in[pos:end] is to be read
	pos     int
	end     int
	dropped bool  // in[:pos] is no longer the start of the stream
	tail    error // what comes after in, if there is no src

	bits  uint64 // the next ones, of which the lowest count are valid
	count uint

	codes   *codes
	own     codes
	block   blockKind
	last    bool // of its member
	stored  int  // bytes to come of a stored block
	inBlock bool
	held    bool // text has been returned since the last flush
	begun   bool // the header of the first member has been read
	digest  uint32
	size    uint32
	err     error

	text      [Window + batch + slack]byte
	to        int // what is decoded ends here
	floor     int // what this member's matches may refer to begins here
	blockFrom int // where in text the block began, for whether it is empty
	sequences [batchSequences]Sequence
	found     int // sequences in use
	input     [inputSize]byte
}

type blockKind uint8

const (
	blockStored blockKind = iota
	blockFixed
	blockDynamic
)

// Reset makes r read from src.
func (r *Reader) Reset(src io.Reader) {
	r.reset()
	r.src, r.in, r.tail = src, r.input[:], nil
}

// ResetBytes makes r read text, and after it the error tail.
func (r *Reader) ResetBytes(text []byte, tail error) {
	r.reset()
	r.src, r.in, r.end, r.tail = nil, text, len(text), tail
}

func (r *Reader) reset() {
	r.pos, r.end, r.dropped = 0, 0, false
	r.bits, r.count = 0, 0
	r.inBlock, r.held, r.last, r.begun, r.err = false, false, false, false, nil
	r.digest, r.size = 0, 0
	r.to, r.floor, r.found = 0, 0, 0
}

// Release forgets what r reads from.
func (r *Reader) Release() { r.src, r.in, r.tail = nil, nil, nil }

// Batch is a piece of the text.
type Batch struct {
	// Text holds what was decoded before, a Window of it or more if there was so
	// much, and from From on what is new.
	Text []byte
	From int
	// Moved is by how many bytes the old text has moved to the front since the
	// batch before.
	Moved int
	// Sequences make up the new text, but for a run of literals after them.
	Sequences []Sequence
	// Flush says that whoever wrote the stream flushed it here.
	Flush bool
}

// Next decodes more of the stream, which may be empty. It returns io.EOF with the last piece of a
// stream that ended well, and another error with what came before it. What it
// returns is valid until the next call. There is no call after an error.
func (r *Reader) Next() (Batch, error) {
	var b Batch
	if r.to+batch/2 > Window+batch {
		b.Moved = max(0, r.to-Window)
		r.to = copy(r.text[:], r.text[b.Moved:r.to])
		r.floor = max(0, r.floor-b.Moved)
		r.blockFrom -= b.Moved
	}
	b.From, r.found = r.to, 0
	b.Flush, r.err = r.decode(min(r.to+batch, Window+batch))
	b.Text = r.text[:r.to]
	b.Sequences = r.sequences[:r.found]
	return b, r.err
}

// Raw returns the stream as it came, if all of it has been read and is still in
// memory.
func (r *Reader) Raw() []byte {
	if r.err != io.EOF || r.dropped { //nolint:errorlint // this is Next's own
		return nil
	}
	return r.in[:r.end]
}

// decode decodes until the text ends at limit or a block ends that is long
// enough. It reports whether the stream was flushed there.
func (r *Reader) decode(limit int) (flushed bool, err error) {
	from, run := r.to, r.to
	sum := from // of the member's text, up to here
	for {
		if !r.inBlock {
			if !r.begun {
				if err = r.more(); err == nil { // io.EOF if there is nothing at all
					err = unexpected(r.header())
				}
				r.begun = err == nil
			}
			if err == nil {
				err = r.beginBlock()
			}
			if err != nil {
				break
			}
		}
		var ended bool
		if r.block == blockStored {
			ended, err = r.copyStored(limit)
		} else {
			ended, err = r.symbols(&run, limit)
		}
		if err != nil {
			break
		}
		if !ended {
			break // it is full
		}
		empty := r.inBlock && r.to == r.blockFrom
		r.inBlock = false
		switch {
		case r.last:
			sum = r.sum(sum)
			if err = r.trailer(); err == nil {
				err = r.more() // io.EOF if this was the last member
			}
			if err == nil {
				err = r.header()
			}
			if err != nil {
				return false, err
			}
			r.floor = r.to
			continue
		case empty && (r.held || r.to > from):
			flushed = true
		case r.to-from < enough:
			continue
		}
		break
	}
	r.sum(sum)
	r.held = !flushed
	return flushed, err
}

// sum adds text[from:to) to the checksum of the member.
func (r *Reader) sum(from int) int {
	r.digest = crc32.Update(r.digest, crc32.IEEETable, r.text[from:r.to])
	r.size += uint32(r.to - from) //nolint:gosec // modulo 1<<32, as RFC 1952 has it
	return r.to
}

// fill reads more input. It returns an error only if there is none.
func (r *Reader) fill() error {
	if r.src == nil {
		return r.tail
	}
	if r.end == len(r.in) {
		r.end = copy(r.in, r.in[r.pos:r.end])
		r.pos, r.dropped = 0, true
	}
	for range 100 {
		n, err := r.src.Read(r.in[r.end:])
		r.end += n
		if err != nil {
			r.src, r.tail = nil, err
		}
		switch {
		case n > 0:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// need reads until there are n bits, at most 32.
func (r *Reader) need(n uint) error {
	for r.count < n {
		if r.pos == r.end {
			if err := r.fill(); err != nil {
				return unexpected(err)
			}
		}
		r.bits |= uint64(r.in[r.pos]) << r.count
		r.pos++
		r.count += 8
	}
	return nil
}

func (r *Reader) take(n uint) (int, error) {
	if err := r.need(n); err != nil {
		return 0, err
	}
	v := int(r.bits & (1<<n - 1)) //nolint:gosec // of at most 32 bits
	r.drop(n)
	return v, nil
}

func (r *Reader) drop(n uint) {
	r.bits >>= n
	r.count -= n
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// copyStored copies what there is of a stored block, and reports whether that
// was its end.
func (r *Reader) copyStored(limit int) (ended bool, err error) {
	for r.stored > 0 {
		if r.to == limit {
			return false, nil
		}
		if r.count > 0 { // bytes that were read ahead
			r.text[r.to] = byte(r.bits) //nolint:gosec // the lowest ones
			r.drop(8)
			r.to++
			r.stored--
			continue
		}
		if r.pos == r.end {
			if err := r.fill(); err != nil {
				return false, unexpected(err)
			}
		}
		n := copy(r.text[r.to:limit], r.in[r.pos:min(r.end, r.pos+r.stored)])
		r.to += n
		r.pos += n
		r.stored -= n
	}
	return true, nil
}

// symbols decodes a compressed block, and reports whether it ended. The run of
// literals under way begins at *run.
func (r *Reader) symbols(run *int, limit int) (ended bool, err error) {
	for {
		if ended, err = r.fast(run, limit); ended || err != nil {
			return ended, err
		}
		if r.to+MaxMatch > limit || r.found == len(r.sequences) {
			return false, nil
		}
		// One symbol with care.
		e, err := r.symbol(r.codes.literal[:], literalBits, r.codes.literalSub)
		if err != nil {
			return false, err
		}
		switch {
		case e&kindLiteral != 0:
			r.text[r.to] = byte(e.value()) //nolint:gosec // a byte
			r.to++
			continue
		case e&kindEnd != 0:
			return true, nil
		}
		length, err := r.take(e.extra())
		if err != nil {
			return false, err
		}
		length += e.value()
		if e, err = r.symbol(r.codes.distance[:], distanceBits, r.codes.distanceSub); err != nil {
			return false, err
		}
		distance, err := r.take(e.extra())
		if err != nil {
			return false, err
		}
		distance += e.value()
		if r.to-distance < r.floor {
			return false, ErrCorrupt
		}
		r.match(run, length, distance)
	}
}

// symbol decodes a symbol. It reads no byte more than it takes.
func (r *Reader) symbol(table []entry, first uint, sub uint64) (entry, error) {
	for {
		e := table[r.bits&(1<<first-1)]
		if e&kindLink != 0 {
			e = table[uint64(e.value())+r.bits>>first&sub] //nolint:gosec // an index
		}
		switch {
		case e != 0 && e.length() <= r.count:
			r.drop(e.length())
			return e, nil
		case e == 0 && r.count >= maxCodeLength:
			return 0, ErrCorrupt
		}
		if err := r.need(r.count + 1); err != nil {
			return 0, err
		}
	}
}

// match appends a match, which has to be one.
func (r *Reader) match(run *int, length, distance int) {
	r.sequences[r.found] = Sequence{uint32(r.to - *run), uint16(length), uint16(distance)} //nolint:gosec // in their bounds
	r.found++
	for range length {
		r.text[r.to] = r.text[r.to-distance]
		r.to++
	}
	*run = r.to
}

// fast decodes while there is input for a few symbols, and room. It leaves the
// end of both to symbol.
func (r *Reader) fast(run *int, limit int) (ended bool, err error) {
	const ahead, most = 16, MaxMatch + 3 // bytes read and written in a round
	var (
		in       = r.in[:r.end]
		pos      = r.pos
		acc, n   = r.bits, r.count
		literal  = &r.codes.literal
		distance = &r.codes.distance
		text     = r.text[:]
		t        = r.to
		start    = *run
		floor    = r.floor
		found    = r.found
	)
	for pos+ahead <= len(in) && t+most <= limit && found < len(r.sequences) {
		acc |= binary.LittleEndian.Uint64(in[pos:]) << n
		pos += int((63 - n) >> 3) //nolint:gosec // at most 7
		n |= 56
		e := literal[acc&(1<<literalBits-1)]
		if e&kindLiteral != 0 {
			text[t] = byte(e >> 16) //nolint:gosec // a byte
			t++
			acc >>= e & 15
			n -= uint(e & 15)
			if e = literal[acc&(1<<literalBits-1)]; e&kindLiteral != 0 {
				text[t] = byte(e >> 16) //nolint:gosec // a byte
				t++
				acc >>= e & 15
				n -= uint(e & 15)
				e = literal[acc&(1<<literalBits-1)]
			}
		}
		if e&kindLink != 0 {
			e = literal[uint64(e>>16)+acc>>literalBits&r.codes.literalSub]
		}
		acc >>= e & 15
		n -= uint(e & 15)
		if e&kindLiteral != 0 {
			text[t] = byte(e >> 16) //nolint:gosec // a byte
			t++
			continue
		}
		if e&kindBase == 0 {
			if ended = e&kindEnd != 0; !ended {
				err = ErrCorrupt
			}
			break
		}
		length := int(e>>16) + int(acc&(1<<(e>>4&15)-1)) //nolint:gosec // few bits
		acc >>= e >> 4 & 15
		n -= uint(e >> 4 & 15)

		acc |= binary.LittleEndian.Uint64(in[pos:]) << n
		pos += int((63 - n) >> 3) //nolint:gosec // at most 7
		n |= 56
		e = distance[acc&(1<<distanceBits-1)]
		if e&kindLink != 0 {
			e = distance[uint64(e>>16)+acc>>distanceBits&r.codes.distanceSub]
		}
		acc >>= e & 15
		n -= uint(e & 15)
		d := int(e>>16) + int(acc&(1<<(e>>4&15)-1)) //nolint:gosec // few bits
		acc >>= e >> 4 & 15
		n -= uint(e >> 4 & 15)
		if e == 0 || t-d < floor {
			err = ErrCorrupt
			break
		}
		r.sequences[found] = Sequence{uint32(t - start), uint16(length), uint16(d)} //nolint:gosec // in their bounds
		found++
		from, end := t-d, t+length
		switch {
		case d >= length && length > 32:
			copy(text[t:end], text[from:])
		case d >= 8:
			for t < end { // up to 7 bytes too many, which what comes next overwrites
				binary.LittleEndian.PutUint64(text[t:], binary.LittleEndian.Uint64(text[from:]))
				t, from = t+8, from+8
			}
		default:
			for t < end {
				text[t] = text[from]
				t, from = t+1, from+1
			}
		}
		t = end
		start = t
	}
	r.pos, r.to, r.found, *run = pos, t, found, start
	r.bits, r.count = acc&(1<<n-1), n // what is above them was not taken
	return ended, err
}
