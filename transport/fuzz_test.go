package transport

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// What the first byte of an input asks for.
const (
	fuzzRaw      = 1 << iota // nothing legal precedes the input
	fuzzUnread               // the peer does not read
	fuzzTrickle              // it comes byte by byte
	fuzzHold                 // the application returns no credit
	fuzzDraining             // the connection is being drained
)

// script is a fuzz input made of frames.
func script(mode byte, write func(f *http2.Framer, block func(kv ...string) []byte)) []byte {
	b := bytes.NewBuffer([]byte{mode})
	f := http2.NewFramer(b, nil)
	f.AllowIllegalWrites = true
	var hb bytes.Buffer
	enc := hpack.NewEncoder(&hb)
	write(f, func(kv ...string) []byte {
		hb.Reset()
		for i := 0; i < len(kv); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
		}
		return bytes.Clone(hb.Bytes())
	})
	return b.Bytes()
}

func headers(f *http2.Framer, id uint32, end bool, block []byte) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: block})
}

// addCommonSeeds adds inputs that are interesting for both sides; stream 1 is
// open on a client.
func addCommonSeeds(f *testing.F) {
	for _, mode := range []byte{0, fuzzUnread, fuzzTrickle, fuzzHold, fuzzDraining} {
		for _, write := range []func(f *http2.Framer){
			func(f *http2.Framer) {},
			func(f *http2.Framer) { f.WritePing(false, [8]byte{}); f.WritePing(true, [8]byte{7: 1}) },
			func(f *http2.Framer) {
				f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
				f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
				f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0},
					http2.Setting{ID: http2.SettingHeaderTableSize})
				f.WriteSettingsAck()
			},
			func(f *http2.Framer) { f.WriteWindowUpdate(0, 1<<31-1) },
			func(f *http2.Framer) { f.WriteWindowUpdate(1, 0); f.WriteWindowUpdate(1, 1<<31-1) },
			func(f *http2.Framer) { f.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")); f.WriteGoAway(1, 99, nil) },
			func(f *http2.Framer) { f.WriteRSTStream(1, http2.ErrCodeRefusedStream); f.WriteRSTStream(1, 0) },
			func(f *http2.Framer) { f.WritePriority(1, http2.PriorityParam{StreamDep: 1}) },
			func(f *http2.Framer) { f.WriteRawFrame(http2.FramePushPromise, 4, 1, make([]byte, 4)) },
			func(f *http2.Framer) { f.WriteRawFrame(0xfe, 0xff, 1<<31-1, []byte("unknown")) },
			func(f *http2.Framer) { f.WriteDataPadded(1, true, []byte("x"), make([]byte, 200)) },
			func(f *http2.Framer) { f.WriteContinuation(1, true, []byte{0x82}) },
			func(f *http2.Framer) { f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 20000)) },
			func(f *http2.Framer) {
				for range 150 {
					f.WriteSettings()
				}
			},
			func(f *http2.Framer) {
				for range 1100 {
					f.WritePing(false, [8]byte{})
				}
			},
		} {
			f.Add(script(mode, func(fr *http2.Framer, _ func(...string) []byte) { write(fr) }))
		}
	}
	f.Add([]byte{fuzzRaw})
	f.Add([]byte("\x01GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\x01HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add(append([]byte{fuzzRaw}, http2.ClientPreface...))
}

func FuzzServerConn(f *testing.F) {
	addCommonSeeds(f)
	request := []string{":method", "POST", ":scheme", "http", ":path", "/s/m", "te", "trailers"}
	for _, write := range []func(f *http2.Framer, block func(kv ...string) []byte){
		func(f *http2.Framer, block func(kv ...string) []byte) { // a call
			headers(f, 1, false, block(request...))
			f.WriteData(1, true, h2peer.Message([]byte("hello")))
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // trailers, late frames
			headers(f, 1, false, block(append(request, "content-length", "3")...))
			f.WriteData(1, false, []byte("abc"))
			headers(f, 1, true, block("a", "b"))
			f.WriteData(1, true, nil)
			headers(f, 1, true, block("a", "b"))
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // rapid reset
			for id := uint32(1); id < 3000; id += 2 {
				headers(f, id, true, block(request...))
				f.WriteRSTStream(id, http2.ErrCodeCancel)
			}
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // past the window
			headers(f, 1, false, block(request...))
			for range 20 {
				f.WriteData(1, false, make([]byte, 16384))
			}
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // malformed
			headers(f, 1, true, block(":method", "POST"))
			headers(f, 3, true, block(append(request, "Upper", "case")...))
			headers(f, 5, true, []byte{0xff, 0xff, 0xff})
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // identifiers
			headers(f, 5, true, block(request...))
			headers(f, 3, true, block(request...))
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // CONTINUATIONs
			b := block(request...)
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, BlockFragment: b[:3]})
			f.WriteContinuation(1, false, b[3:])
			f.WriteContinuation(1, true, nil)
		},
	} {
		for _, mode := range []byte{0, fuzzUnread, fuzzTrickle, fuzzHold, fuzzDraining} {
			f.Add(script(mode, write))
		}
	}
	for _, b := range recorded(f, "to-server") {
		f.Add(append([]byte{fuzzRaw}, b...))
	}
	f.Fuzz(func(t *testing.T, input []byte) { fuzzConn(t, Server, input) })
}

func FuzzClientConn(f *testing.F) {
	addCommonSeeds(f)
	for _, write := range []func(f *http2.Framer, block func(kv ...string) []byte){
		func(f *http2.Framer, block func(kv ...string) []byte) { // a response
			headers(f, 1, false, block(":status", "200"))
			f.WriteData(1, false, h2peer.Message([]byte("hello")))
			headers(f, 1, true, block("grpc-status", "0"))
			f.WriteRSTStream(1, http2.ErrCodeNo)
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { // informational, trailers only
			headers(f, 1, false, block(":status", "103"))
			headers(f, 1, true, block(":status", "200", "grpc-status", "5"))
			headers(f, 1, true, block("grpc-status", "5"))
		},
		func(f *http2.Framer, block func(kv ...string) []byte) {
			f.WriteData(1, false, []byte("before headers"))
		},
		func(f *http2.Framer, block func(kv ...string) []byte) { headers(f, 2, true, block(":status", "200")) },
		func(f *http2.Framer, block func(kv ...string) []byte) { headers(f, 7, true, block(":status", "200")) },
		func(f *http2.Framer, block func(kv ...string) []byte) { // a graceful server
			f.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			f.WritePing(false, [8]byte{1})
			f.WriteGoAway(1, http2.ErrCodeNo, nil)
			headers(f, 1, true, block(":status", "200"))
		},
	} {
		for _, mode := range []byte{0, fuzzUnread, fuzzTrickle, fuzzHold, fuzzDraining} {
			f.Add(script(mode, write))
		}
	}
	for _, b := range recorded(f, "to-client") {
		f.Add(append([]byte{fuzzRaw}, b...))
	}
	f.Fuzz(func(t *testing.T, input []byte) { fuzzConn(t, Client, input) })
}

// fuzzConn plays input to a Conn. Whatever it is, the Conn must not panic, must
// keep little, must end when the peer goes, and must have told everybody once.
func fuzzConn(t *testing.T, side Side, input []byte) {
	if len(input) == 0 || len(input) > 1<<20 {
		return
	}
	mode, input := input[0], input[1:]
	synctest.Test(t, func(t *testing.T) {
		leak.Check(t)
		leak.Buffers(t)
		near, far := memconn.Pipe()
		s := &scene{T: t, near: near, far: far, handler: &watcher{t: t, hold: mode&fuzzHold != 0}}
		s.handler.onStream = func(p *probe) { p.stream.Send(with(message([]byte("answer")), responseHeaders(), nil, false)) }
		if mode&fuzzTrickle != 0 {
			near.SetReadBufferSize(1)
		}
		if mode&fuzzUnread != 0 {
			near.SetWriteLimit(16)
		} else {
			go func() { _, _ = io.Copy(io.Discard, far) }()
		}
		s.conn = New(side, near, Config{MaxConcurrentStreams: 10}, s.handler)
		if side == Client {
			s.open(message([]byte("question")))
			s.open(frame.Outgoing{})
		}
		if mode&fuzzRaw == 0 {
			greet(far, side)
		}
		if mode&fuzzDraining != 0 {
			synctest.Wait()
			s.conn.Drain()
		}
		_, _ = far.Write(input)
		synctest.Wait()
		s.wantLittle()
		s.handler.mu.Lock()
		probes := s.handler.probes
		s.handler.mu.Unlock()
		for _, p := range probes {
			p.stream.Send(frame.Outgoing{Trailers: statusOK()})
		}
		synctest.Wait()
		far.Close()
		s.end()
	})
}

// greet is the least that a peer of that side must say.
func greet(far io.Writer, side Side) {
	var b bytes.Buffer
	if side == Server {
		b.WriteString(http2.ClientPreface)
	}
	_ = http2.NewFramer(&b, nil).WriteSettings()
	_, _ = far.Write(b.Bytes())
}

// wantLittle: nothing that waits to be sent may grow without limit.
func (s *scene) wantLittle() {
	s.Helper()
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	k, b := &s.conn.control, s.conn.cfg.Budgets
	if n := k.settingsAcks + len(k.pingAcks); n > b.UnsentAcks+1 {
		s.Errorf("%d acknowledgements wait", n)
	}
	if n := len(k.resets) + len(k.credits); n > b.UnsentResets+20 {
		s.Errorf("%d resets and credits wait", n)
	}
	if n := len(s.conn.streams.table); n > 10 {
		s.Errorf("%d streams are open", n)
	}
}
