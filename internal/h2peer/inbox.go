package h2peer

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxFrame is the largest frame the peer can read: the most HTTP/2 can express,
// because what the subject may send is for the test to judge.
const maxFrame = 1<<24 - 1

// inbox is what has arrived: filled by the reading goroutine, emptied by the
// test's.
type inbox struct {
	// reading goroutine only
	open *Frame // HEADERS whose block has not ended
	raw  []byte // its block so far

	mu sync.Mutex
	// guarded by mu
	frames  []Frame
	err     error // why nothing more will arrive
	decoder *hpack.Decoder

	arrived chan struct{} // holds a token after any change of the above
}

func newInbox() *inbox {
	return &inbox{decoder: hpack.NewDecoder(4096, nil), arrived: make(chan struct{}, 1)}
}

// read fills the inbox until conn fails.
func (b *inbox) read(conn io.Reader, side Side) {
	err := b.readAll(bufio.NewReader(conn), side)
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	b.signal()
}

func (b *inbox) readAll(r io.Reader, side Side) error {
	if side == Server {
		if err := readPreface(r); err != nil {
			return err
		}
	}
	framer := http2.NewFramer(nil, r)
	framer.AllowIllegalReads = true
	framer.SetMaxReadFrameSize(maxFrame)
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return malformed(err)
		}
		if err := b.onFrame(f); err != nil {
			return err
		}
	}
}

// readPreface takes the client connection preface (RFC 9113 section 3.4).
func readPreface(r io.Reader) error {
	var got [len(http2.ClientPreface)]byte
	n, err := io.ReadFull(r, got[:])
	if string(got[:n]) != http2.ClientPreface[:n] {
		return fmt.Errorf("%w: %q is no client preface", errMalformed, got[:n])
	}
	return err
}

func (b *inbox) onFrame(hf http2.Frame) error {
	if b.open != nil && hf.Header().Type != http2.FrameContinuation {
		return fmt.Errorf("%w: %v inside a header block", errMalformed, hf.Header())
	}
	f := Frame{Type: hf.Header().Type, Flags: hf.Header().Flags, StreamID: hf.Header().StreamID}
	switch hf := hf.(type) {
	case *http2.HeadersFrame:
		b.open, b.raw = &f, nil
		return b.onBlock(hf.HeaderBlockFragment(), hf.HeadersEnded())
	case *http2.ContinuationFrame:
		if b.open == nil || b.open.StreamID != f.StreamID {
			return fmt.Errorf("%w: %v without its HEADERS", errMalformed, hf.Header())
		}
		return b.onBlock(hf.HeaderBlockFragment(), hf.HeadersEnded())
	default:
		f.copyContents(hf)
		b.push(f)
	}
	return nil
}

func (b *inbox) onBlock(fragment []byte, end bool) error {
	b.raw = append(b.raw, fragment...)
	b.open.Fragments++
	if !end {
		return nil
	}
	f := *b.open
	b.open = nil
	b.mu.Lock()
	fields, err := b.decoder.DecodeFull(b.raw)
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%w: header block of stream %d: %w", errMalformed, f.StreamID, err)
	}
	f.Fields = fields
	b.push(f)
	return nil
}

// copyContents fills f from a frame whose memory the framer will reuse.
func (f *Frame) copyContents(hf http2.Frame) {
	switch hf := hf.(type) {
	case *http2.DataFrame:
		f.Payload = slices.Clone(hf.Data())
		f.FlowControlled = int(hf.Length)
	case *http2.SettingsFrame:
		hf.ForeachSetting(func(s http2.Setting) error {
			f.Settings = append(f.Settings, s)
			return nil
		})
	case *http2.PingFrame:
		f.Payload = slices.Clone(hf.Data[:])
	case *http2.GoAwayFrame:
		f.Code, f.LastStreamID = hf.ErrCode, hf.LastStreamID
		f.Payload = slices.Clone(hf.DebugData())
	case *http2.RSTStreamFrame:
		f.Code = hf.ErrCode
	case *http2.WindowUpdateFrame:
		f.Increment = hf.Increment
	case *http2.UnknownFrame:
		f.Payload = slices.Clone(hf.Payload())
	}
}

func (b *inbox) push(f Frame) {
	b.mu.Lock()
	b.frames = append(b.frames, f)
	b.mu.Unlock()
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// take removes the first frame that match accepts. Without one, err says why
// none will come; it is nil while one still may.
func (b *inbox) take(match func(Frame) bool) (f Frame, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.frames, match)
	if i < 0 {
		return Frame{}, false, b.err
	}
	f = b.frames[i]
	b.frames = slices.Delete(b.frames, i, i+1)
	return f, true, nil
}

// setTableSize follows a SETTINGS_HEADER_TABLE_SIZE this peer has announced.
func (b *inbox) setTableSize(n uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.decoder.SetAllowedMaxDynamicTableSize(n)
}
