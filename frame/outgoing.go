package frame

import (
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2/hpack"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// Field is one header field; Sensitive fields are never indexed by HPACK.
type Field = hpack.HeaderField

// PrefixLen is the length of the gRPC message prefix: one flag byte and a
// four-byte big-endian length (gRPC over HTTP/2, Length-Prefixed-Message).
const PrefixLen = 5

// HeaderList is a header block waiting to be encoded: an ordered list of
// fields, pseudo-header fields first. It is pooled and reference-counted like
// a buffer; a list with more than one owner is read-only.
type HeaderList struct {
	Fields []Field // after those of the list that it extends

	base   *HeaderList // shared, or nil
	shared bool
	size   int // of a shared list
	refs   atomic.Int32
}

var headerLists = sync.Pool{New: func() any { return &HeaderList{Fields: make([]Field, 0, 12)} }}

// NewHeaderList returns an empty list with one owner.
func NewHeaderList() *HeaderList {
	l := headerLists.Get().(*HeaderList)
	l.refs.Store(1)
	return l
}

// ShareHeaderList returns a list with the fields of l, which extends no other. The
// result is never freed and must not be changed. A Writer remembers how it has encoded
// such a list, so keep those that are sent again and again. The caller keeps l.
func ShareHeaderList(l *HeaderList) *HeaderList {
	return &HeaderList{Fields: append([]Field(nil), l.Fields...), shared: true, size: l.Size()}
}

// Extend returns a list with one owner that begins with the fields of l, which
// is shared.
func (l *HeaderList) Extend() *HeaderList {
	x := NewHeaderList()
	x.base = l
	return x
}

// Clone returns a list of its own with the same fields, and one owner.
func (l *HeaderList) Clone() *HeaderList {
	x := NewHeaderList()
	x.base, x.Fields = l.base, append(x.Fields, l.Fields...)
	return x
}

// All ranges over all fields, those of the list that l extends included.
func (l *HeaderList) All() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for _, part := range [...]*HeaderList{l.base, l} {
			for i := 0; part != nil && i < len(part.Fields); i++ {
				if !yield(part.Fields[i]) {
					return
				}
			}
		}
	}
}

// BeginsMessage reports whether the list has pseudo-header fields, as request and response
// headers do, and trailers that are a whole response (gRPC over HTTP/2, Trailers-Only).
func (l *HeaderList) BeginsMessage() bool {
	first := l
	if l.base != nil {
		first = l.base
	}
	return len(first.Fields) > 0 && first.Fields[0].IsPseudo()
}

// Add appends a field.
func (l *HeaderList) Add(name, value string) {
	l.Fields = append(l.Fields, Field{Name: name, Value: value})
}

// Size is the octets of the list as SETTINGS_MAX_HEADER_LIST_SIZE counts them
// (RFC 9113 section 6.5.2).
func (l *HeaderList) Size() int {
	if l.shared {
		return l.size
	}
	n := 0
	if l.base != nil {
		n = l.base.size
	}
	for i := range l.Fields {
		n += len(l.Fields[i].Name) + len(l.Fields[i].Value) + fieldOverhead
	}
	return n
}

// Ref adds an owner and returns l.
func (l *HeaderList) Ref() *HeaderList {
	if !l.shared {
		l.refs.Add(1)
	}
	return l
}

// Free drops one owner. Free of nil does nothing.
func (l *HeaderList) Free() {
	if l == nil || l.shared || l.refs.Add(-1) > 0 {
		return
	}
	l.base = nil
	if cap(l.Fields) > 64 {
		return
	}
	clear(l.Fields)
	l.Fields = l.Fields[:0]
	headerLists.Put(l)
}

// Outgoing is what one Send hands to a stream: any of an initial header block,
// one message, and an end. Of several Sends, headers go first, messages in
// their order, the end last (HTTP/2 knows no other order). The stream takes
// ownership of all of it.
type Outgoing struct {
	// Headers is the initial header block (request or response headers).
	Headers *HeaderList
	// Trailers is a header block that ends the stream.
	Trailers *HeaderList
	// Message is the payload of one gRPC message, without its prefix.
	Message *mem.Buffer
	// Prefix precedes Message on the wire; meaningful if Message is not nil.
	Prefix [PrefixLen]byte
	// End half-closes the stream after the above; implied by Trailers.
	End bool
}

// Sent counts what a stream has accepted for the wire since it was opened:
// framed and past flow control. Values only grow; a later Sent supersedes an
// earlier one, so notifications may be merged or repeated.
type Sent struct {
	Messages uint64
	Bytes    uint64 // of messages, prefixes included
	Headers  bool
	End      bool
}

// Headers is one complete, decoded header block. It is lent for the duration
// of a callback: Fields is reused for the next block, its strings may be kept.
type Headers struct {
	StreamID uint32
	// Fields in wire order; pseudo-header fields precede all others.
	Fields []Field
	// End reports END_STREAM.
	End bool
	// Known is set if the very same block has come before on the connection.
	// Fields must then not be changed.
	Known *Known
	// Err is a *StreamError when the block is malformed (RFC 9113 section 8.1.1) or
	// larger than the advertised limit; HPACK state stayed in step, so only
	// this stream is affected. Fields then holds what was decoded so far.
	Err error
}

// Value returns the first value of the named field, or "".
func (h *Headers) Value(name string) string {
	for i := range h.Fields {
		if h.Fields[i].Name == name {
			return h.Fields[i].Value
		}
	}
	return ""
}
