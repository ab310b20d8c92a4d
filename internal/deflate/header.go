package deflate

// more returns io.EOF if nothing follows what has been read.
func (r *Reader) more() error {
	if r.count >= 8 || r.pos < r.end {
		return nil
	}
	return r.fill()
}

// header reads the header of a member (RFC 1952 §2.3). Its fields say nothing
// about the text.
func (r *Reader) header() error {
	var fixed [10]int
	for i := range fixed {
		var err error
		if fixed[i], err = r.take(8); err != nil {
			return err
		}
	}
	flags := fixed[3]
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 || flags&0xe0 != 0 {
		return ErrCorrupt
	}
	if flags&4 != 0 {
		n, err := r.take(16)
		if err != nil {
			return err
		}
		for range n {
			if _, err := r.take(8); err != nil {
				return err
			}
		}
	}
	for _, flag := range []int{8, 16} { // a name and a comment, each up to a zero
		for c := 1; flags&flag != 0 && c != 0; {
			var err error
			if c, err = r.take(8); err != nil {
				return err
			}
		}
	}
	if flags&2 != 0 {
		if _, err := r.take(16); err != nil {
			return err
		}
	}
	r.digest, r.size, r.last = 0, 0, false
	return nil
}

// trailer reads the end of a member, and compares it with the text.
func (r *Reader) trailer() error {
	r.drop(r.count & 7)
	digest, err := r.take(32)
	if err != nil {
		return err
	}
	size, err := r.take(32)
	if err != nil {
		return err
	}
	if uint32(digest) != r.digest || uint32(size) != r.size { //nolint:gosec // of 32 bits
		return ErrCorrupt
	}
	return nil
}

// beginBlock reads the header of a block (RFC 1951 §3.2.3).
func (r *Reader) beginBlock() error {
	head, err := r.take(3)
	if err != nil {
		return err
	}
	r.last = head&1 != 0
	switch r.block = blockKind(head >> 1); r.block { //nolint:gosec // of two bits
	case blockStored:
		r.drop(r.count & 7)
		length, err := r.take(16)
		if err != nil {
			return err
		}
		inverse, err := r.take(16)
		if err != nil {
			return err
		}
		if length != inverse^0xffff {
			return ErrCorrupt
		}
		r.stored = length
	case blockFixed:
		r.codes = fixed()
	case blockDynamic:
		if err := r.readCodes(); err != nil {
			return err
		}
		r.codes = &r.own
	default:
		return ErrCorrupt
	}
	r.inBlock, r.blockFrom = true, r.to
	return nil
}

// readCodes reads the codes of a block (RFC 1951 §3.2.7).
func (r *Reader) readCodes() error {
	head, err := r.take(14)
	if err != nil {
		return err
	}
	literals, distances, orders := head&31+257, head>>5&31+1, head>>10+4
	if literals > literalCodes || distances > distanceCodes {
		return ErrCorrupt
	}
	var order [19]uint8
	for _, at := range lengthOrder[:orders] {
		n, err := r.take(3)
		if err != nil {
			return err
		}
		order[at] = uint8(n) //nolint:gosec // of three bits
	}
	// The table of the lengths borrows that of the distances.
	var kinds [19]entry
	for i := range kinds {
		kinds[i] = kindLiteral | entry(i)<<16
	}
	const first = 7
	if _, ok := build(r.own.distance[:], first, order[:], kinds[:]); !ok {
		return ErrCorrupt
	}
	var lengths [literalCodes + distanceCodes]uint8
	all := lengths[:literals+distances]
	for i := 0; i < len(all); {
		e, err := r.symbol(r.own.distance[:], first, 0)
		if err != nil {
			return err
		}
		n, value, base, more := e.value(), uint8(0), 1, uint(0) //nolint:gosec // of five bits
		switch n {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value, base, more = all[i-1], 3, 2
		case 17:
			base, more = 3, 3
		case 18:
			base, more = 11, 7
		default:
			value = uint8(n) //nolint:gosec // at most 15
		}
		times, err := r.take(more)
		if err != nil {
			return err
		}
		if times += base; times > len(all)-i {
			return ErrCorrupt
		}
		for range times {
			all[i] = value
			i++
		}
	}
	if !r.own.setLiteral(all[:literals]) || !r.own.setDistance(all[literals:]) {
		return ErrCorrupt
	}
	return nil
}
