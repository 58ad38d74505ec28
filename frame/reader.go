package frame

import (
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/mem"
)

const (
	headerLen       = 9       // RFC 9113 section 4.1
	minMaxFrameSize = 1 << 14 // RFC 9113 section 4.2
	maxMaxFrameSize = 1<<24 - 1
)

// ReaderConfig limits what a [Reader] accepts. Zero fields mean the default.
type ReaderConfig struct {
	// MaxFrameSize is the largest frame payload accepted, in octets, as
	// advertised in SETTINGS_MAX_FRAME_SIZE. Default and least value 16,384,
	// greatest 16,777,215 (RFC 9113 section 6.5.2); clamped.
	MaxFrameSize uint32

	// MaxHeaderList is the largest header list accepted, in octets: names,
	// values and 32 for each field, as advertised in
	// SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 section 6.5.2). Default 16 KiB.
	// A larger list fails its stream.
	MaxHeaderList uint32

	// MaxHeaderBlock is how many encoded octets of one header block are
	// decoded, to keep HPACK in step with a peer whose list is too large.
	// Default twice MaxHeaderList plus 16 KiB. A larger block, or a single
	// string longer than this, fails the connection.
	MaxHeaderBlock uint32

	// MaxContinuations is how many CONTINUATION frames one header block may
	// have, empty ones included. Default MaxHeaderBlock / 4096, at least 8.
	// One more fails the connection.
	MaxContinuations int

	// MaxHeaderTable is the largest HPACK dynamic table, in octets, that the
	// peer may use. Smaller values are raised to 4,096, which a peer may use
	// before it has seen our SETTINGS. Default 4,096.
	MaxHeaderTable uint32

	// ReadBuffer is the size of the read buffer in octets. Default 32 KiB,
	// least value 64.
	ReadBuffer int

	// OnBlock is called by Next with false when a header block has begun whose
	// rest has not arrived yet, and with true once it is complete: the place to
	// set a deadline. It is not called for a block that is there at once, nor
	// again for one that fails. Default: nothing is called.
	OnBlock func(isComplete bool)

	// Place, if set, is called for a DATA payload of n octets that is large and
	// has no padding: the buffer it returns, of length n, is read into and becomes
	// Frame.Data. If it is nil, or returns nil, a new buffer is taken.
	Place func(id uint32, n int) *mem.Buffer
}

// Reader reads frames from one connection. It belongs to one goroutine.
type Reader struct {
	// immutable
	framer           *http2.Framer
	maxBlock         int64 // encoded octets of a header block
	maxContinuations int
	onBlock          func(isComplete bool)
	place            func(id uint32, n int) *mem.Buffer

	src      source
	maxFrame uint32
	block    block
	part     *part // what reading was interrupted in; nil: nothing
	err      error // why reading has ended
}

// part is a DATA frame of whose payload reading was interrupted.
type part struct {
	Frame
	got int // octets of Data
}

// ErrInterrupted is what the reader of a [Reader] returns to stop waiting inside a frame
// for which [Reader.IsInterruptible] is true. Next returns it too, and goes on when it is
// called again.
var ErrInterrupted = errors.New("reading was interrupted")

// NewReader returns a Reader of r, which is typically a net.Conn, and may be a
// [PatientReader].
func NewReader(r io.Reader, cfg ReaderConfig) *Reader {
	cfg = cfg.resolved()
	rd := &Reader{
		src:              source{r: r, size: cfg.ReadBuffer},
		maxBlock:         int64(cfg.MaxHeaderBlock),
		maxContinuations: cfg.MaxContinuations,
		onBlock:          cfg.OnBlock,
		place:            cfg.Place,
	}
	rd.src.patient, _ = r.(PatientReader)
	rd.framer = http2.NewFramer(nil, &rd.src)
	rd.SetMaxFrameSize(cfg.MaxFrameSize)
	rd.block.init(cfg)
	return rd
}

// resolved replaces zero fields by their defaults and clamps the others.
func (c ReaderConfig) resolved() ReaderConfig {
	if c.MaxHeaderList == 0 {
		c.MaxHeaderList = 16 << 10
	}
	if c.MaxHeaderBlock == 0 {
		c.MaxHeaderBlock = uint32(min(2*uint64(c.MaxHeaderList)+16<<10, math.MaxInt32))
	}
	c.MaxHeaderBlock = min(c.MaxHeaderBlock, math.MaxInt32)
	if c.MaxContinuations <= 0 {
		c.MaxContinuations = max(8, int(c.MaxHeaderBlock/4096))
	}
	if c.ReadBuffer == 0 {
		c.ReadBuffer = readBuffer
	}
	c.ReadBuffer = max(c.ReadBuffer, minReadBuffer)
	return c
}

// SetMaxFrameSize changes the largest payload accepted; out-of-range values are
// clamped as in [ReaderConfig]. Raise it before the setting is sent, because the peer
// may use it before it acknowledges; lower it once the peer has acknowledged.
func (r *Reader) SetMaxFrameSize(n uint32) {
	r.maxFrame = min(max(n, minMaxFrameSize), maxMaxFrameSize)
	r.framer.SetMaxReadFrameSize(r.maxFrame)
}

// Forget drops what the Reader remembers of header blocks that repeat.
func (r *Reader) Forget() { r.block.memo = nil }

// Release gives the read buffer back for others to use and ends reading:
// later calls of Next fail. Call it when the connection is over.
func (r *Reader) Release() {
	r.block.reset(&r.src)
	r.src.Drop()
	if r.part != nil {
		r.part.Data.Free()
		r.part = nil
	}
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
}

// Await waits until Next has something to read, or an error to return; it reports
// false if the underlying reader stops waiting before. What was lent with the last frame
// is taken back. If the underlying reader is a [PatientReader], a Reader that waits here
// holds next to no memory.
func (r *Reader) Await() bool {
	if r.err != nil || r.src.err != nil || r.src.buffered() > 0 {
		return true
	}
	r.block.reset(&r.src)
	return r.src.await()
}

// Next returns the next frame. Its error is a *[StreamError] if only the
// frame's stream is affected, and reading can go on; the frame is returned
// with it. Any other error ends reading and is repeated by later calls: a
// *[ConnError] if the peer broke a rule, io.EOF if the connection ended
// between frames, io.ErrUnexpectedEOF if within one, or whatever the
// underlying reader said; but after ErrInterrupted it goes on. A malformed or oversized
// header block is no error here, it is [Headers].Err.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	r.block.reset(&r.src)
	f, err := r.readFrame()
	if err != nil && r.part != nil {
		return Frame{}, err
	}
	if err != nil {
		if _, ok := errors.AsType[*StreamError](err); !ok {
			f.Data.Free()
			r.err = err
			return Frame{}, err
		}
	}
	return f, err
}

// Buffered reports whether a whole frame is buffered, so that the next call
// of Next does not wait for the peer.
func (r *Reader) Buffered() bool {
	w := r.src.window()
	if r.part != nil {
		return r.err == nil && r.part.got+len(w) >= int(r.part.Length)
	}
	if r.err != nil || len(w) < headerLen {
		return false
	}
	n := int(w[0])<<16 | int(w[1])<<8 | int(w[2])
	if http2.FrameType(w[3]) == http2.FrameHeaders && !http2.Flags(w[4]).Has(http2.FlagHeadersEndHeaders) {
		return false // its CONTINUATION may be missing
	}
	return len(w) >= headerLen+n
}

// IsInterruptible reports whether Next reads, or goes on reading, a frame that can be
// interrupted while it waits for the peer: DATA that is large and has no padding.
func (r *Reader) IsInterruptible() bool {
	if r.part != nil {
		return true
	}
	w := r.src.window()
	if r.err != nil || len(w) < headerLen {
		return false
	}
	n := int(w[0])<<16 | int(w[1])<<8 | int(w[2])
	return n >= placeAt && http2.FrameType(w[3]) == http2.FrameData && !http2.Flags(w[4]).Has(http2.FlagDataPadded)
}

// IsEmpty reports whether nothing is buffered, nor an error to be returned.
func (r *Reader) IsEmpty() bool { return r.err == nil && r.src.err == nil && r.src.buffered() == 0 }

func (r *Reader) readFrame() (f Frame, err error) {
	if r.part != nil {
		f = r.part.Frame
		return f, endedIn(r.readPayload(&f, int(f.Length)))
	}
	fh, err := r.readHeader()
	if err != nil {
		return f, err
	}
	f.Type, f.Flags, f.StreamID, f.Length = fh.Type, fh.Flags, fh.StreamID, fh.Length
	if err := checkStreamID(&f); err != nil {
		return f, err
	}
	switch f.Type {
	case http2.FrameData:
		err = r.readData(&f)
	case http2.FrameHeaders:
		err = r.readHeaders(&f)
	case http2.FramePriority:
		err = r.readPriority(&f)
	case http2.FrameRSTStream:
		err = r.readRSTStream(&f)
	case http2.FrameSettings:
		err = r.readSettings(&f)
	case http2.FramePushPromise:
		err = connErrorf(ProtocolError, "PUSH_PROMISE on stream %d, but push is not enabled", f.StreamID)
	case http2.FramePing:
		err = r.readPing(&f)
	case http2.FrameGoAway:
		err = r.readGoAway(&f)
	case http2.FrameWindowUpdate:
		err = r.readWindowUpdate(&f)
	default:
		// Unknown types are ignored (RFC 9113 section 4.1).
		err = r.src.discard(int(f.Length))
	}
	return f, endedIn(err)
}

// endedIn is err inside a frame.
func endedIn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readHeader reads a frame header and checks its place and size. It waits for
// all of the header first, so that what is too short to be one can be named.
func (r *Reader) readHeader() (http2.FrameHeader, error) {
	p, err := r.src.peek(headerLen)
	if err != nil {
		if len(p) == 0 {
			return http2.FrameHeader{}, err
		}
		if words := foreign(p); words != "" {
			return http2.FrameHeader{}, connErrorf(ProtocolError, "the peer sent %s instead of HTTP/2 frames", words)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return http2.FrameHeader{}, err
	}
	fh, err := r.framer.ReadFrameHeader()
	if err != nil {
		return fh, r.headerError(fh, err, p)
	}
	return fh, nil
}

// headerError puts an http2.Framer's error about fh, received as p, in our
// words.
func (r *Reader) headerError(fh http2.FrameHeader, err error, p []byte) error {
	if code, ok := errors.AsType[http2.ConnectionError](err); ok {
		return connErrorf(ErrCode(code), "%v", r.framer.ErrorDetail())
	}
	if !errors.Is(err, http2.ErrFrameTooLarge) {
		return err
	}
	if words := foreign(p); words != "" {
		return connErrorf(FrameSizeError, "the peer sent %s instead of HTTP/2 frames", words)
	}
	return connErrorf(FrameSizeError, "%v on stream %d has a payload of %d octets, the limit is %d",
		fh.Type, fh.StreamID, fh.Length, r.maxFrame)
}

// checkStreamID tells the frames of streams from those of the connection
// (RFC 9113 section 6, at each type).
func checkStreamID(f *Frame) error {
	switch f.Type {
	case http2.FrameData, http2.FrameHeaders, http2.FramePriority, http2.FrameRSTStream, http2.FramePushPromise:
		if f.StreamID == 0 {
			return connErrorf(ProtocolError, "%v on stream 0", f.Type)
		}
	case http2.FrameSettings, http2.FramePing, http2.FrameGoAway:
		if f.StreamID != 0 {
			return connErrorf(ProtocolError, "%v on stream %d, allowed on stream 0 only", f.Type, f.StreamID)
		}
	}
	return nil
}

// readData reads DATA (RFC 9113 section 6.1).
func (r *Reader) readData(f *Frame) error {
	f.End = f.Flags.Has(http2.FlagDataEndStream)
	n, pad := int(f.Length), 0
	if f.Flags.Has(http2.FlagDataPadded) {
		var err error
		if n, pad, err = r.readPadLength(f); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := r.readPayload(f, n); err != nil {
			return err
		}
	}
	return r.src.discard(pad)
}

const (
	// placeAt is the least payload that is worth asking for a place.
	placeAt = 4 << 10
	// trustedPayload is how much of a payload must have arrived, if it is as
	// long as that, before memory for all of it is taken at the peer's word.
	trustedPayload = 16 << 10
)

// readPayload reads n octets of content, or goes on with it.
func (r *Reader) readPayload(f *Frame, n int) error {
	got := 0
	if r.part != nil {
		got, r.part = r.part.got, nil
	}
	if f.Data == nil {
		if err := r.placePayload(f, n); err != nil {
			return r.keepPart(f, 0, err)
		}
	}
	more, err := r.src.readFull(f.Data.Bytes()[got:])
	if err != nil {
		return r.keepPart(f, got+more, err)
	}
	return nil
}

// keepPart keeps what was read of f if err is that reading was interrupted.
func (r *Reader) keepPart(f *Frame, got int, err error) error {
	if errors.Is(err, ErrInterrupted) {
		r.part = &part{*f, got}
	}
	return err
}

// placePayload finds a place for n octets of content.
func (r *Reader) placePayload(f *Frame, n int) error {
	if n > trustedPayload {
		if _, err := r.src.peek(min(trustedPayload, r.src.size)); err != nil {
			return err
		}
	}
	if r.place != nil && n >= placeAt && n == int(f.Length) {
		f.Data = r.place(f.StreamID, n)
	}
	if f.Data == nil {
		f.Data = mem.Get(n)
	}
	return nil
}

// readPadLength reads the Pad Length field that begins a padded payload and
// returns how many octets of content and of padding follow. Padding that
// fills the frame or exceeds it ends the connection (RFC 9113 section 6.1).
func (r *Reader) readPadLength(f *Frame) (content, pad int, err error) {
	if f.Length < 1 {
		return 0, 0, tooShort(f, 1)
	}
	p, err := r.src.peek(1)
	if err != nil {
		return 0, 0, err
	}
	pad = int(p[0])
	r.src.skip(1)
	content = int(f.Length) - 1 - pad
	if content < 0 {
		return 0, 0, connErrorf(ProtocolError, "%v on stream %d has %d octets of padding in a payload of %d",
			f.Type, f.StreamID, pad, f.Length)
	}
	return content, pad, nil
}

func tooShort(f *Frame, least int) error {
	return connErrorf(FrameSizeError,
		"%v on stream %d has a payload of %d octets, too short for its flags, which need %d",
		f.Type, f.StreamID, f.Length, least)
}

func connErrorf(code ErrCode, format string, args ...any) *ConnError {
	return &ConnError{Code: code, Reason: fmt.Sprintf(format, args...)}
}

func streamErrorf(id uint32, code ErrCode, format string, args ...any) *StreamError {
	return &StreamError{StreamID: id, Code: code, Reason: fmt.Sprintf(format, args...)}
}
