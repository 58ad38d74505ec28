package frame

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

// fieldEncoder encodes header fields with one HPACK context and decides which
// of them are worth a place in the peer's dynamic table.
//
// A field whose value never comes again would only push out those that do
// (:path, user-agent, authorization), so it is encoded as sensitive: "never
// indexed" takes as many octets as "not indexed" (RFC 7541 section 6.2) and asks
// intermediaries for what we do ourselves. The first such field of a name is
// indexed all the same: later ones then refer to its name.
type fieldEncoder struct {
	table   dynamicTable
	least   uint32 // the least size since the peer was told, if resized
	resized bool   // the peer has not been told the size of the table
	named   uint8  // volatile names that had their first field
	changed bool   // the table, since encodeShared has looked
	known   encodings
}

// encodeShared appends a shared list, if possible as it was encoded before.
func (e *fieldEncoder) encodeShared(dst []byte, l *HeaderList) []byte {
	if block := e.known.find(l); block != nil {
		return append(dst, block...)
	}
	start := len(dst)
	e.changed = false
	dst = e.encodeAll(dst, l.Fields)
	if !e.changed {
		e.known.add(l, dst[start:])
	}
	return dst
}

func (e *fieldEncoder) encodeAll(dst []byte, fields []Field) []byte {
	for i := range fields {
		dst = e.encode(dst, &fields[i])
	}
	return dst
}

// setTableSize changes the table size. Setting the size it has would cost an
// update in the next block. Any change empties the table first, because decoders
// of x/net reject the second of two updates, which RFC 7541 section 4.2 allows,
// unless their table is empty.
func (e *fieldEncoder) setTableSize(n uint32) {
	if n = min(n, defaultHeaderTable); n == e.table.max {
		return
	}
	e.table.setMax(0)
	e.table.setMax(n)
	e.least, e.resized, e.named = 0, true, 0
	e.known.forget()
}

// encode appends f.
func (e *fieldEncoder) encode(dst []byte, f *Field) []byte {
	if e.resized {
		dst = e.appendResize(dst)
	}
	one := entry{f.Name, f.Value}
	isSecret := f.Sensitive || !e.indexable(f)
	index, isExact := findStatic(one, !isSecret)
	if !isExact {
		if i, ok := e.table.find(one, !isSecret); ok || index == 0 {
			index, isExact = i, ok
		}
	}
	if isExact {
		return appendInteger(dst, 0x80, 7, uint64(index)) // RFC 7541 section 6.1
	}
	kind, bits := byte(0x10), uint(4) // never indexed, RFC 7541 section 6.2.3
	if !isSecret {
		kind, bits = 0x40, 6 // with incremental indexing, section 6.2.1
		e.changed = true
		e.known.forget()
		e.table.add(one)
	}
	dst = appendInteger(dst, kind, bits, uint64(index))
	if index == 0 {
		dst = appendString(dst, f.Name)
	}
	return appendString(dst, f.Value)
}

// appendResize appends the changes of the table's size (RFC 7541 section 6.3).
func (e *fieldEncoder) appendResize(dst []byte) []byte {
	e.resized, e.changed = false, true
	if e.least < e.table.max {
		dst = appendInteger(dst, 0x20, 5, uint64(e.least))
	}
	return appendInteger(dst, 0x20, 5, uint64(e.table.max))
}

// appendInteger appends n with a prefix of so many bits, behind those of kind
// (RFC 7541 section 5.1).
func appendInteger(dst []byte, kind byte, bits uint, n uint64) []byte {
	limit := uint64(1)<<bits - 1
	if n < limit {
		return append(dst, kind|byte(n))
	}
	dst = append(dst, kind|byte(limit))
	for n -= limit; n >= 0x80; n >>= 7 {
		dst = append(dst, 0x80|byte(n))
	}
	return append(dst, byte(n))
}

// appendString appends a string literal, whichever way is shorter (RFC 7541
// section 5.2).
func appendString(dst []byte, s string) []byte {
	if n := hpack.HuffmanEncodeLength(s); n < uint64(len(s)) {
		return hpack.AppendHuffmanString(appendInteger(dst, 0x80, 7, n), s)
	}
	return append(appendInteger(dst, 0, 7, uint64(len(s))), s...)
}

// indexable reports whether f may enter the table.
func (e *fieldEncoder) indexable(f *Field) bool {
	if f.Size() > e.table.max/2 {
		return false // it would push out too much
	}
	bit := volatile(f.Name)
	if bit == 0 {
		return !strings.HasSuffix(f.Name, "-bin")
	}
	first := e.named&bit == 0
	e.named |= bit
	return first
}

// volatile returns a bit for names whose values hardly ever repeat, else 0.
func volatile(name string) uint8 {
	switch name {
	case "grpc-timeout":
		return 1 << 0
	case "grpc-message":
		return 1 << 1
	case "grpc-status-details-bin":
		return 1 << 2
	case "traceparent":
		return 1 << 3
	case "tracestate":
		return 1 << 4
	case "grpc-trace-bin":
		return 1 << 5
	}
	return 0
}
