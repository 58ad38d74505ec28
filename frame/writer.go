package frame

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/mem"
)

const (
	// chainAt is the least payload, in octets, that is written from where it
	// lies; a smaller one is copied, which is cheaper than a vector entry.
	chainAt = 4 << 10

	// writeBuffer is the capacity a Writer's buffer starts with.
	writeBuffer = 4 << 10

	// maxKept is the largest capacity kept after a flush: what append makes of
	// 256 KiB in small parts, a connection's turn, and the octets that frame them.
	maxKept = 400 << 10
)

// draft is what a Writer needs while it has something to write.
type draft struct {
	room   []byte // what Writer.buf begins in
	chain  []link
	vector net.Buffers // backing of left
	left   net.Buffers // what net.Buffers.WriteTo consumes
}

var drafts = sync.Pool{New: func() any { return &draft{room: make([]byte, 0, writeBuffer)} }}

// Writer collects frames and writes them in one go. It belongs to one
// goroutine. Frames are not checked against the state of streams.
//
//	buf    [HEADERS][DATA 5+][RST_STREAM][DATA 5+][PING]
//	chain             └ payload                 └ payload
type Writer struct {
	*draft // nil while there is nothing
	buf    []byte

	chained  int // octets in chain
	maxFrame int
	fields   *fieldEncoder // nil: not needed yet, or forgotten
	table    uint32        // octets of the HPACK table
	resized  bool          // no fields: the peer has to be told of table
}

// NewWriter returns a Writer with the limits a peer has before its SETTINGS
// are known: 16,384 octets of payload, 4,096 octets of HPACK table.
func NewWriter() *Writer {
	return &Writer{maxFrame: minMaxFrameSize, table: defaultHeaderTable}
}

// encoder returns the HPACK encoder, a new one at first need. One that follows
// another tells the peer to begin with an empty table (RFC 7541 section 4.2).
func (w *Writer) encoder() *fieldEncoder {
	if w.fields == nil {
		w.fields = newFieldEncoder(w)
		if w.resized {
			w.fields.restart(w.table)
			w.resized = false
		}
	}
	return w.fields
}

// Forget drops the HPACK encoder's table, a kilobyte or two, at the price of sending
// the fields to the peer anew: for a connection that is idle.
func (w *Writer) Forget() {
	if w.fields != nil {
		w.fields, w.resized = nil, true
	}
}

// SetMaxFrameSize obeys the peer's SETTINGS_MAX_FRAME_SIZE, in octets; a
// value out of its range, 16,384 to 16,777,215, is clamped.
func (w *Writer) SetMaxFrameSize(n uint32) {
	w.maxFrame = int(min(max(n, minMaxFrameSize), maxMaxFrameSize))
}

// SetHeaderTableSize obeys the peer's SETTINGS_HEADER_TABLE_SIZE, in octets,
// using at most 4,096; the next header block announces a change (RFC 7541
// section 4.2).
func (w *Writer) SetHeaderTableSize(n uint32) {
	n = min(n, defaultHeaderTable)
	if w.fields != nil {
		w.fields.setTableSize(n)
	} else if n != w.table {
		w.resized = true
	}
	w.table = n
}

// Len returns the number of octets collected.
func (w *Writer) Len() int { return len(w.buf) + w.chained }

// grow readies the buffer for appending.
func (w *Writer) grow() {
	if w.draft == nil {
		w.draft = drafts.Get().(*draft)
		w.buf = w.draft.room[:0]
	}
}

// begin appends a frame header.
func (w *Writer) begin(length int, t http2.FrameType, flags http2.Flags, id uint32) {
	w.grow()
	w.buf = appendHeader(w.buf, length, t, flags, id)
}

// appendHeader appends a frame header (RFC 9113 section 4.1).
func appendHeader(dst []byte, length int, t http2.FrameType, flags http2.Flags, id uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags))
	return binary.BigEndian.AppendUint32(dst, id)
}

// Preface appends the client connection preface, which SETTINGS must follow
// (RFC 9113 section 3.4).
func (w *Writer) Preface() {
	w.grow()
	w.buf = append(w.buf, http2.ClientPreface...)
}

// Settings appends SETTINGS (RFC 9113 section 6.5).
func (w *Writer) Settings(settings ...http2.Setting) {
	w.begin(settingLen*len(settings), http2.FrameSettings, 0, 0)
	for _, s := range settings {
		w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(s.ID))
		w.buf = binary.BigEndian.AppendUint32(w.buf, s.Val)
	}
}

// SettingsAck appends the acknowledgement of SETTINGS.
func (w *Writer) SettingsAck() { w.begin(0, http2.FrameSettings, http2.FlagSettingsAck, 0) }

// Ping appends PING (RFC 9113 section 6.7).
func (w *Writer) Ping(data [8]byte) { w.ping(data, 0) }

// PingAck appends the acknowledgement of the PING that had these data.
func (w *Writer) PingAck(data [8]byte) { w.ping(data, http2.FlagPingAck) }

func (w *Writer) ping(data [8]byte, flags http2.Flags) {
	w.begin(len(data), http2.FramePing, flags, 0)
	w.buf = append(w.buf, data[:]...)
}

// GoAway appends GOAWAY (RFC 9113 section 6.8); debug is cut off after 1024
// octets.
func (w *Writer) GoAway(last uint32, code ErrCode, debug string) {
	debug = debug[:min(len(debug), maxDebug)]
	w.begin(8+len(debug), http2.FrameGoAway, 0, 0)
	w.buf = binary.BigEndian.AppendUint32(w.buf, last)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(code))
	w.buf = append(w.buf, debug...)
}

// RSTStream appends RST_STREAM (RFC 9113 section 6.4).
func (w *Writer) RSTStream(id uint32, code ErrCode) {
	w.begin(4, http2.FrameRSTStream, 0, id)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(code))
}

// WindowUpdate appends WINDOW_UPDATE of n octets, 1 to 2^31-1, for a stream
// or, with id 0, the connection (RFC 9113 section 6.9).
func (w *Writer) WindowUpdate(id, n uint32) {
	w.begin(4, http2.FrameWindowUpdate, 0, id)
	w.buf = binary.BigEndian.AppendUint32(w.buf, n)
}

// Headers appends a header block as HEADERS and, where the peer's frame size
// asks for it, CONTINUATION frames (RFC 9113 sections 6.2 and 6.10). Fields
// are sent as they are, pseudo-header fields must come first. Blocks must be
// written out in the order of the calls, none may be dropped: the peer's
// HPACK table depends on it.
func (w *Writer) Headers(id uint32, fields []Field, end bool) {
	start := w.beginBlock(id, end)
	w.encoder().encodeAll(fields)
	w.endBlock(start, id)
}

// HeaderList is Headers of a list, which it does not free.
func (w *Writer) HeaderList(id uint32, l *HeaderList, end bool) {
	start := w.beginBlock(id, end)
	e := w.encoder()
	if l.base != nil {
		e.encodeShared(l.base)
	}
	if l.shared {
		e.encodeShared(l)
	} else {
		e.encodeAll(l.Fields)
	}
	w.endBlock(start, id)
}

// beginBlock appends a HEADERS frame's header and returns where its block begins.
func (w *Writer) beginBlock(id uint32, end bool) (start int) {
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	w.begin(0, http2.FrameHeaders, flags, id)
	return len(w.buf)
}

func (w *Writer) endBlock(start int, id uint32) {
	n := len(w.buf) - start
	if n > w.maxFrame {
		w.splitBlock(start, id)
		n = w.maxFrame
	}
	putLength(w.buf[start-headerLen:], n)
}

// putLength writes the length into a frame header.
func putLength(header []byte, n int) {
	header[0], header[1], header[2] = byte(n>>16), byte(n>>8), byte(n)
}

// splitBlock parts the block buf[start:], which follows the frame header of a
// HEADERS frame too small for it.
func (w *Writer) splitBlock(start int, id uint32) {
	w.buf[start-headerLen+4] &^= byte(http2.FlagHeadersEndHeaders)
	rest := slices.Clone(w.buf[start+w.maxFrame:])
	w.buf = w.buf[:start+w.maxFrame]
	for len(rest) > 0 {
		n := min(len(rest), w.maxFrame)
		var flags http2.Flags
		if n == len(rest) {
			flags = http2.FlagContinuationEndHeaders
		}
		w.begin(n, http2.FrameContinuation, flags, id)
		w.buf = append(w.buf, rest[:n]...)
		rest = rest[n:]
	}
}

// Data appends one DATA frame (RFC 9113 section 6.1) of prefix, which is
// copied and may be empty, and payload. A payload of 4 KiB or more is written
// from where it lies, inside owner, which gains a reference until the Writer
// has been flushed or released; a smaller one, or one without owner, is
// copied. Both together must not exceed MaxFrameSize.
func (w *Writer) Data(id uint32, prefix, payload []byte, owner *mem.Buffer, end bool) {
	w.BeginData(id, len(prefix)+len(payload), end)
	w.AppendData(prefix, payload, owner)
}

// BeginData appends the header of a DATA frame of n octets, at most
// MaxFrameSize, for which AppendData then is called.
func (w *Writer) BeginData(id uint32, n int, end bool) {
	if n > w.maxFrame {
		panic(fmt.Sprintf("BUG: DATA frame of %d octets, the limit is %d", n, w.maxFrame))
	}
	var flags http2.Flags
	if end {
		flags = http2.FlagDataEndStream
	}
	w.begin(n, http2.FrameData, flags, id)
}

// AppendData appends a part of a DATA frame as Data does.
func (w *Writer) AppendData(prefix, payload []byte, owner *mem.Buffer) {
	w.grow()
	w.buf = append(w.buf, prefix...)
	if owner == nil || len(payload) < chainAt {
		w.buf = append(w.buf, payload...)
		return
	}
	w.chain = append(w.chain, link{at: len(w.buf), payload: payload, owner: owner.Ref()})
	w.chained += len(payload)
}

// reset forgets what is collected and keeps a buffer of reasonable size.
func (w *Writer) reset() {
	w.unchain()
	if cap(w.buf) > maxKept {
		w.draft, w.buf = nil, nil
	}
	w.buf = w.buf[:0]
}

// Release forgets what is collected and gives the buffer back for others to
// use. The Writer stays usable: release it whenever its connection has
// nothing to send for a while.
func (w *Writer) Release() {
	w.reset()
	if w.draft == nil {
		return
	}
	w.draft.room = w.buf
	drafts.Put(w.draft)
	w.draft, w.buf = nil, nil
}
