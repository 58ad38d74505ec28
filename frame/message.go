package frame

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// Message is one length-prefixed message without its prefix (gRPC over
// HTTP/2, Length-Prefixed-Message).
type Message struct {
	// Compressed is the Compressed-Flag: Body is in the stream's encoding.
	Compressed bool
	// Body is never nil, of length 0 for an empty message. Whoever got the
	// Message owns it and frees it. Its bytes may be shared: read only.
	Body *mem.Buffer
}

// PutPrefix writes the prefix of a message of n octets, 0 to 2^32-1, into p.
func PutPrefix(p *[PrefixLen]byte, compressed bool, n int) {
	if n < 0 || uint64(n) > math.MaxUint32 {
		panic(fmt.Sprintf("BUG: message of %d octets cannot be framed", n))
	}
	p[0] = 0
	if compressed {
		p[0] = 1
	}
	binary.BigEndian.PutUint32(p[1:], uint32(n))
}

// IsMessage reports whether p is one whole message with its prefix, of a body within limit
// octets; negative means no limit.
func IsMessage(p []byte, limit int) bool {
	if len(p) < PrefixLen {
		return false
	}
	n, err := checkPrefix(p, limit)
	return err == nil && n == len(p)
}

// TakeMessage makes a Message of b, of which IsMessage is true and which it takes ownership of.
func TakeMessage(b *mem.Buffer) Message {
	compressed := b.Bytes()[0] == 1
	b.TrimFront(PrefixLen)
	return Message{Compressed: compressed, Body: b}
}

// MessageErrorKind says which rule a message prefix breaks.
type MessageErrorKind uint8

const (
	// TooLarge: the message is longer than the limit.
	TooLarge MessageErrorKind = iota + 1
	// BadFlag: the Compressed-Flag is neither 0 nor 1.
	BadFlag
)

func (k MessageErrorKind) String() string {
	switch k {
	case TooLarge:
		return "message too large"
	case BadFlag:
		return "bad compressed flag"
	}
	return fmt.Sprintf("MessageErrorKind(%d)", uint8(k))
}

// MessageError is a prefix that ends its stream.
type MessageError struct {
	Kind   MessageErrorKind
	Flag   byte   // the first octet of the prefix
	Length uint32 // the length it claims, in octets
	Limit  int    // what was allowed, in octets; meaningful for TooLarge
}

func (e *MessageError) Error() string {
	if e.Kind == BadFlag {
		return fmt.Sprintf("message prefix has compressed flag %d, neither 0 nor 1", e.Flag)
	}
	return fmt.Sprintf("message larger than max (%d vs. %d)", e.Length, e.Limit)
}

// maxBody is the longest message that an int can count with its prefix.
const maxBody = min(math.MaxInt-PrefixLen, math.MaxUint32)

// checkPrefix reads the prefix p, returning the length of the message with
// its prefix. A negative limit means no limit.
func checkPrefix(p []byte, limit int) (int, *MessageError) {
	flag, length := p[0], binary.BigEndian.Uint32(p[1:])
	if flag > 1 {
		return 0, &MessageError{Kind: BadFlag, Flag: flag, Length: length}
	}
	if limit < 0 || uint64(limit) > maxBody {
		limit = maxBody
	}
	if uint64(length) > uint64(limit) {
		return 0, &MessageError{Kind: TooLarge, Flag: flag, Length: length, Limit: limit}
	}
	return PrefixLen + int(length), nil
}
