package frame

import (
	"bytes"
	"hash/maphash"
)

const (
	maxKnown      = 8   // blocks that a memo holds
	maxKnownBlock = 512 // octets of one, encoded
)

// Known is a header block that has come before on its connection, octet for
// octet. The peer of a busy connection repeats a few blocks, and what depends only
// on their fields need be found out only once. It belongs to the goroutine of the
// [Reader].
type Known struct {
	// Note is for the receiver of the block, to keep what it has made of the fields.
	// It is dropped with the Known.
	Note any

	fields []Field
	passed rules
}

// rules is a set of the checks of header.go, of which a Known block remembers
// which it has passed.
type rules uint8

const (
	asRequest rules = 1 << iota
	asResponse
	asTrailers
)

// memo remembers header blocks that left the dynamic table as it was, with the
// fields they stand for. The same octets stand for the same fields as long as
// the table stays as it is; when it changes, all is forgotten.
//
// A block is remembered when it comes for the second time, with only a few others in
// between. So blocks with a value that never repeats, such as an exact time limit, cost
// only a hash.
type memo struct {
	blocks []knownBlock
	next   int // the one to be replaced

	seed  maphash.Seed
	once  [maxKnown]uint64 // hashes of blocks that came once
	onceI int
}

type knownBlock struct {
	encoded []byte
	known   *Known
}

// find returns what an encoded block stands for, nil if it is not known.
func (m *memo) find(encoded []byte) *Known {
	if m == nil {
		return nil
	}
	for i := range m.blocks {
		if bytes.Equal(m.blocks[i].encoded, encoded) {
			return m.blocks[i].known
		}
	}
	return nil
}

// learn takes note of the block, which was not known and has been decoded. The blocks
// of the first call on a connection change the table, so there is no memo before the
// second.
func (b *block) learn(encoded []byte) {
	if !keepsTable(encoded) {
		b.memo.forget()
		return
	}
	if b.memo == nil {
		b.memo = new(memo)
	}
	b.memo.learn(encoded, b.fields)
}

// learn takes note of a block that keeps the table as it is.
func (m *memo) learn(encoded []byte, fields []Field) {
	if !m.isSecond(encoded) {
		return
	}
	b := knownBlock{bytes.Clone(encoded), &Known{fields: append([]Field(nil), fields...)}}
	if len(m.blocks) < maxKnown {
		m.blocks = append(m.blocks, b)
		return
	}
	m.blocks[m.next] = b
	m.next = (m.next + 1) % maxKnown
}

// isSecond reports whether the block is among the latest that came once.
func (m *memo) isSecond(encoded []byte) bool {
	if m.seed == (maphash.Seed{}) {
		m.seed = maphash.MakeSeed()
	}
	h := maphash.Bytes(m.seed, encoded)
	for _, seen := range m.once {
		if seen == h {
			return true
		}
	}
	m.once[m.onceI] = h
	m.onceI = (m.onceI + 1) % maxKnown
	return false
}

// forget drops everything: the table has changed, or may have.
func (m *memo) forget() {
	if m == nil {
		return
	}
	clear(m.blocks)
	m.blocks, m.next = m.blocks[:0], 0
}

// keepsTable reports whether a block, which has been decoded and so is well
// formed, leaves the dynamic table as it is: it has neither fields to be added
// (RFC 7541 section 6.2.1) nor changes of the size (section 6.3).
func keepsTable(p []byte) bool {
	for len(p) > 0 {
		switch b := p[0]; {
		case b >= 0x80: // indexed field
			p = skipInteger(p, 7)
		case b >= 0x20:
			return false
		case b&0x0f != 0: // literal with an indexed name
			p = skipString(skipInteger(p, 4))
		default:
			p = skipString(skipString(p[1:]))
		}
		if p == nil {
			return false
		}
	}
	return true
}

// skipInteger skips an integer with a prefix of so many bits (RFC 7541 section
// 5.1). Like skipString it returns nil for what is cut, never for what is not:
// the rest of a slice is empty and not nil.
func skipInteger(p []byte, bits uint) []byte {
	_, rest := integer(p, bits)
	return rest
}

// skipString skips a string literal (RFC 7541 section 5.2).
func skipString(p []byte) []byte {
	n, rest := integer(p, 7)
	if rest == nil || uint64(len(rest)) < n {
		return nil
	}
	return rest[n:]
}

func integer(p []byte, bits uint) (n uint64, rest []byte) {
	if len(p) == 0 {
		return 0, nil
	}
	limit := uint64(1)<<bits - 1
	if n = uint64(p[0]) & limit; n < limit {
		return n, p[1:]
	}
	for i, shift := 1, uint(0); i < len(p) && shift < 63; i, shift = i+1, shift+7 {
		n += uint64(p[i]&0x7f) << shift
		if p[i] < 0x80 {
			return n, p[i+1:]
		}
	}
	return 0, nil
}
