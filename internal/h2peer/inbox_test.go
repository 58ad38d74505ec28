package h2peer

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzInbox reads arbitrary bytes as a peer would: it must come to an end
// without a panic, and everything it took for a frame must be printable and
// within what was sent.
func FuzzInbox(f *testing.F) {
	f.Add([]byte(http2.ClientPreface), true)
	f.Add([]byte("GET / HTTP/1.1\r\n"), true)
	f.Add(conversation(), false)
	f.Add(append([]byte(http2.ClientPreface), conversation()...), true)
	f.Add(conversation()[:40], false)
	f.Fuzz(func(t *testing.T, sent []byte, fromClient bool) {
		side := Client
		if fromClient {
			side = Server
		}
		b := newInbox()
		b.read(bytes.NewReader(sent), side)
		if b.err == nil {
			t.Fatal("the bytes ended and the inbox knows no reason")
		}
		total := 0
		for _, frame := range b.frames {
			total += len(frame.Payload) + len(frame.Settings)*6
			if frame.String() == "" {
				t.Errorf("%#v has no words", frame)
			}
		}
		if total > len(sent) {
			t.Errorf("%d bytes sent, %d received", len(sent), total)
		}
		clean := errors.Is(b.err, io.EOF) || errors.Is(b.err, io.ErrUnexpectedEOF)
		if !clean && !errors.Is(b.err, errMalformed) {
			t.Errorf("ended with %v, neither an end nor malformed", b.err)
		}
	})
}

// conversation is one frame of every type.
func conversation() []byte {
	var out, block bytes.Buffer
	hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: "grpc-status", Value: "0"})
	w := http2.NewFramer(&out, nil)
	w.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	w.WriteSettingsAck()
	w.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes()[:1]})
	w.WriteContinuation(1, true, block.Bytes()[1:])
	w.WriteDataPadded(1, true, []byte("data"), make([]byte, 3))
	w.WritePing(false, [8]byte{1})
	w.WriteWindowUpdate(0, 9)
	w.WriteRSTStream(1, http2.ErrCodeCancel)
	w.WriteGoAway(1, http2.ErrCodeNo, []byte("bye"))
	w.WriteRawFrame(0xbe, 0, 0, []byte("grease"))
	return out.Bytes()
}
