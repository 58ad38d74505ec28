package frame

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

// fieldEncoder encodes header fields with one HPACK context and decides which
// of them are worth a place in the peer's dynamic table.
//
// hpack.Encoder indexes every field that fits the table unless it is marked
// Sensitive. A field whose value never comes again would only push out those
// that do (:path, user-agent, authorization), so it is encoded as Sensitive:
// "never indexed" takes as many octets as "not indexed" (RFC 7541 section
// 6.2) and asks intermediaries for what we do ourselves. The first such field
// of a name is indexed all the same: later ones then refer to its name.
type fieldEncoder struct {
	w       *Writer
	enc     *hpack.Encoder
	named   uint8 // volatile names that had their first field
	changed bool  // the table, since encodeShared has looked
	known   encodings
}

func newFieldEncoder(w *Writer) *fieldEncoder {
	e := &fieldEncoder{w: w}
	e.enc = hpack.NewEncoder(e)
	return e
}

// Write takes one encoded field from the hpack.Encoder, straight into the
// Writer's buffer. A field that enters the table begins with 01, a change of the
// table's size, which comes before a field, with 001 (RFC 7541 section 6).
func (e *fieldEncoder) Write(p []byte) (int, error) {
	e.w.buf = append(e.w.buf, p...)
	if p[0] >= 0x20 && p[0] < 0x80 {
		e.changed = true
		e.known.forget()
	}
	return len(p), nil
}

// encodeShared appends a shared list, if possible as it was encoded before.
func (e *fieldEncoder) encodeShared(l *HeaderList) {
	if block := e.known.find(l); block != nil {
		e.w.buf = append(e.w.buf, block...)
		return
	}
	start := len(e.w.buf)
	e.changed = false
	e.encodeAll(l.Fields)
	if !e.changed {
		e.known.add(l, e.w.buf[start:])
	}
}

func (e *fieldEncoder) encodeAll(fields []Field) {
	for i := range fields {
		e.encode(fields[i])
	}
}

// setTableSize changes the table size; the encoder's own limit is 4,096.
// Setting the size it has would cost an update in the next block. Any change
// empties the table first, because decoders of x/net reject the second of two
// updates, which RFC 7541 section 4.2 allows, unless their table is empty.
func (e *fieldEncoder) setTableSize(n uint32) {
	if n != e.enc.MaxDynamicTableSize() {
		e.restart(n)
		e.named = 0
		e.known.forget()
	}
}

// restart empties the table, here and with the next block at the peer, and gives
// it a size.
func (e *fieldEncoder) restart(n uint32) {
	e.enc.SetMaxDynamicTableSize(0)
	e.enc.SetMaxDynamicTableSize(n)
}

// encode appends f to the Writer's buffer, which cannot fail.
func (e *fieldEncoder) encode(f Field) {
	f.Sensitive = f.Sensitive || !e.indexable(&f)
	_ = e.enc.WriteField(f)
}

// indexable reports whether f may enter the table.
func (e *fieldEncoder) indexable(f *Field) bool {
	if f.Size() > e.enc.MaxDynamicTableSize()/2 {
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
