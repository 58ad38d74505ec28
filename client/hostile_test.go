package client

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/transport"
)

// hostility is what a server does to a call on stream 1, and what comes of it.
type hostility struct {
	name   string
	answer func(p *h2peer.Peer)
	code   cqrpc.Code    // of the call
	words  string        // in its error: what the server did
	goAway http2.ErrCode // ends the connection; noGoAway: it lives
}

const noGoAway http2.ErrCode = 1 << 16

// payload is what a call carries where its answer may be OK.
const payload = "b"

// TestHostileStreams: faults of a server that cost the call, and only it.
func TestHostileStreams(t *testing.T) {
	response := func(then func(p *h2peer.Peer)) func(p *h2peer.Peer) {
		return func(p *h2peer.Peer) { p.Response(1); then(p) }
	}
	ended := func(then func(p *h2peer.Peer)) func(p *h2peer.Peer) {
		return func(p *h2peer.Peer) { answer(p, 1, payload); then(p) }
	}
	runHostile(t, []hostility{
		{"DATA before headers", func(p *h2peer.Peer) { p.WriteMessage(1, false, []byte(payload)) },
			cqrpc.CodeInternal, "DATA before HEADERS", noGoAway},
		{"two header blocks", response(func(p *h2peer.Peer) { p.Response(1) }), cqrpc.CodeInternal, "second HEADERS", noGoAway},
		{"101", func(p *h2peer.Peer) { p.WriteHeaders(1, false, ":status", "101") }, cqrpc.CodeInternal, "101", noGoAway},
		{"a header list of 100 KB", func(p *h2peer.Peer) {
			p.Response(1, "x", strings.Repeat("v", 30<<10))
		}, cqrpc.CodeResourceExhausted, "metadata size", noGoAway},
		{"the stream's window past 2^31-1", func(p *h2peer.Peer) { p.WriteWindowUpdate(1, 1<<31-1) },
			cqrpc.CodeInternal, "2^31-1", noGoAway},
		{"a window of nothing", func(p *h2peer.Peer) { p.WriteWindowUpdate(1, 0) }, cqrpc.CodeInternal, "increment of 0", noGoAway},
		{"a message of 0xFFFFFFFF", response(func(p *h2peer.Peer) {
			p.WriteData(1, false, []byte{0, 0xff, 0xff, 0xff, 0xff})
		}), cqrpc.CodeResourceExhausted, "4294967295", noGoAway},
		{"a gzip bomb", func(p *h2peer.Peer) {
			p.Response(1, "grpc-encoding", "gzip")
			m := h2peer.Message(zeros(32 << 20))
			m[0] = 1
			for ; len(m) > 16384; m = m[16384:] {
				p.WriteData(1, false, m[:16384])
			}
			p.WriteData(1, false, m)
			p.Trailers(1, 0)
		}, cqrpc.CodeResourceExhausted, "larger than max", noGoAway},
		{"a flag of 2", response(func(p *h2peer.Peer) { p.WriteData(1, false, []byte{2, 0, 0, 0, 0}) }),
			cqrpc.CodeInternal, "flag", noGoAway},
		{"a message cut short", response(func(p *h2peer.Peer) {
			p.WriteData(1, false, []byte{0, 0, 0, 0, 9, 'b'})
			p.Trailers(1, 0)
		}), cqrpc.CodeInternal, "inside a message", noGoAway},
		{"a status of words", func(p *h2peer.Peer) {
			p.WriteHeaders(1, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "fine")
		}, cqrpc.CodeUnknown, "fine", noGoAway},
		{"an unknown status", func(p *h2peer.Peer) { p.TrailersOnly(1, 99) }, cqrpc.CodeUnknown, "99", noGoAway},
		{"a status message that is not percent-encoded", func(p *h2peer.Peer) {
			p.TrailersOnly(1, 5, "grpc-message", "a%zz%2")
		}, cqrpc.CodeNotFound, "a%zz%2", noGoAway},
		{"a binary trailer that is none", response(func(p *h2peer.Peer) { p.Trailers(1, 0, "k-bin", "%") }),
			cqrpc.CodeInternal, "k-bin", noGoAway},
		{"a proxy's error page", func(p *h2peer.Peer) {
			p.WriteHeaders(1, false, ":status", "503", "content-type", "text/html")
			p.WriteData(1, true, []byte("<html>overloaded</html>"))
		}, cqrpc.CodeUnavailable, "503: \"<html>overloaded</html>\"", noGoAway},
		{"a web server's page", func(p *h2peer.Peer) {
			p.WriteHeaders(1, false, ":status", "200", "content-type", "text/html")
			p.WriteData(1, true, []byte("<html>welcome</html>"))
		}, cqrpc.CodeUnknown, "text/html", noGoAway},
		{"rst_after_header", response(func(p *h2peer.Peer) { p.WriteRST(1, http2.ErrCodeNo) }),
			cqrpc.CodeInternal, "NO_ERROR", noGoAway},
		{"rst_during_data", response(func(p *h2peer.Peer) {
			p.WriteData(1, false, []byte{0, 0, 0, 0, 9, 'b'})
			p.WriteRST(1, http2.ErrCodeNo)
		}), cqrpc.CodeInternal, "NO_ERROR", noGoAway},
		{"rst_after_data", response(func(p *h2peer.Peer) {
			p.WriteMessage(1, false, []byte(payload))
			p.WriteRST(1, http2.ErrCodeNo)
		}), cqrpc.CodeInternal, "NO_ERROR", noGoAway},
		{"DATA after the end", ended(func(p *h2peer.Peer) { p.WriteData(1, false, []byte("x")) }), cqrpc.CodeOK, "", noGoAway},
		{"RST_STREAM after the end", ended(func(p *h2peer.Peer) { p.WriteRST(1, http2.ErrCodeInternal) }),
			cqrpc.CodeOK, "", noGoAway},
		{"103 first", func(p *h2peer.Peer) {
			p.WriteHeaders(1, false, ":status", "103", "link", "x")
			answer(p, 1, payload)
		}, cqrpc.CodeOK, "", noGoAway},
		{"unknown frames first", func(p *h2peer.Peer) {
			for i := range 200 {
				p.WriteRaw(http2.FrameType(0x0a+i%6), 0xff, uint32(i), []byte("?"))
			}
			answer(p, 1, payload)
		}, cqrpc.CodeOK, "", noGoAway},
		{"PINGs first", func(p *h2peer.Peer) {
			for range 500 {
				p.WritePing(false, [8]byte{})
			}
			answer(p, 1, payload)
		}, cqrpc.CodeOK, "", noGoAway},
	})
}

// TestHostileConnections: faults of a server that cost the connection.
func TestHostileConnections(t *testing.T) {
	const (
		protocol = http2.ErrCodeProtocol
		calm     = http2.ErrCodeEnhanceYourCalm
	)
	setting := func(id http2.SettingID, v uint32) func(p *h2peer.Peer) {
		return func(p *h2peer.Peer) { p.WriteSettings(http2.Setting{ID: id, Val: v}) }
	}
	times := func(n int, write func(p *h2peer.Peer, i int)) func(p *h2peer.Peer) {
		return func(p *h2peer.Peer) {
			for i := range n {
				write(p, i)
			}
		}
	}
	lost := cqrpc.CodeUnavailable
	runHostile(t, []hostility{
		{"MAX_FRAME_SIZE of 0, CVE-2026-33814", setting(http2.SettingMaxFrameSize, 0), lost, "MAX_FRAME_SIZE", protocol},
		{"an initial window past 2^31-1", setting(http2.SettingInitialWindowSize, 1<<31), lost, "INITIAL_WINDOW_SIZE",
			http2.ErrCodeFlowControl},
		{"ENABLE_PUSH of 1", setting(http2.SettingEnablePush, 1), lost, "ENABLE_PUSH", protocol},
		{"PUSH_PROMISE", func(p *h2peer.Peer) { p.WriteRaw(http2.FramePushPromise, 4, 1, []byte{0, 0, 0, 2}) },
			lost, "PUSH_PROMISE", protocol},
		{"a stream of the server", func(p *h2peer.Peer) { p.Response(2) }, lost, "idle stream 2", protocol},
		{"DATA on an idle stream", func(p *h2peer.Peer) { p.WriteData(7, false, []byte("x")) }, lost, "idle stream 7", protocol},
		{"HPACK of nonsense", func(p *h2peer.Peer) { p.WriteHeadersRaw(1, false, true, []byte{0xff, 0x7f}) },
			lost, "header block", http2.ErrCodeCompression},
		{"a frame too large", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameData, 0, 1, make([]byte, 16385)) },
			lost, "the limit is 16384", http2.ErrCodeFrameSize},
		{"the connection's window past 2^31-1", func(p *h2peer.Peer) { p.WriteWindowUpdate(0, 1<<31-1) },
			lost, "2^31-1", http2.ErrCodeFlowControl},
		{"CONTINUATION flood", func(p *h2peer.Peer) {
			p.WriteHeadersRaw(1, false, false, nil)
			times(1000, func(p *h2peer.Peer, _ int) { p.WriteContinuation(1, false, []byte{0x88}) })(p)
		}, lost, "CONTINUATION", calm},
		{"a header list of 4 MiB", func(p *h2peer.Peer) {
			piece := []byte(strings.Repeat("\x10\x01a\x00", 4096)) // "a": "", spelled out, 33 octets of list
			p.WriteHeadersRaw(1, false, false, piece)
			times(128, func(p *h2peer.Peer, _ int) { p.WriteContinuation(1, false, piece) })(p)
		}, lost, "header block", calm},
		{"SETTINGS flood", times(5000, func(p *h2peer.Peer, _ int) { p.WriteSettings() }), lost, "SETTINGS", calm},
		{"PRIORITY flood", times(20_000, func(p *h2peer.Peer, _ int) { p.WritePriority(1, http2.PriorityParam{}) }),
			lost, "without effect", calm},
		{"unknown frames", times(20_000, func(p *h2peer.Peer, _ int) { p.WriteRaw(0x99, 0, 0, nil) }),
			lost, "without effect", calm},
		{"103 without end", times(20_000, func(p *h2peer.Peer, _ int) { p.WriteHeaders(1, false, ":status", "103") }),
			lost, "informational", calm},
		{"empty DATA without end", func(p *h2peer.Peer) {
			p.Response(1)
			times(20_000, func(p *h2peer.Peer, _ int) { p.WriteData(1, false, nil) })(p)
		}, lost, "empty DATA", calm},
		{"PING answers that nobody asked for", times(20_000, func(p *h2peer.Peer, _ int) { p.WritePing(true, [8]byte{1}) }),
			lost, "without effect", calm},
	})
}

func runHostile(t *testing.T, rows []hostility) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			play(t, func(s *scene) { row.play(s) })
		})
	}
}

func (row hostility) play(s *scene) {
	p := s.connected()
	p.Ignore(http2.FrameRSTStream, http2.FramePing, http2.FrameSettings)
	r := s.unary(s.Context(), "a")
	wantCall(p, "sent", 1, unaryMethod.Name, "a")
	before := heap()
	row.answer(p)
	if row.code == cqrpc.CodeOK {
		s.wantOK("the call was over, or none of this concerned it", r, payload)
	} else {
		s.wantFailed("the server's fault", r, row.code, row.words)
	}
	if grown := heap() - before; grown > 8<<20 {
		s.Errorf("the heap grew by %d octets", grown)
	}
	if row.goAway != noGoAway {
		p.WantGoAway("the server is told", row.goAway)
		p.WantClosed("and left")
		return
	}
	r = s.unary(s.Context(), "next")
	wantCall(p, "the connection lives", 3, unaryMethod.Name, "next")
	answer(p, 3, "fine")
	s.wantOK("the connection lives", r, "fine")
}

// heap is the octets in use, garbage left out.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools let go in the first
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// zeros is n of them, compressed.
func zeros(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, n))
	_ = w.Close()
	return b.Bytes()
}

// TestDataPastTheWindow: a server that sends beyond the window, while nobody reads, ends the call.
func TestDataPastTheWindow(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		p.Ignore(http2.FramePing)
		call, err := BidiStream(s.Context(), s.ch, bidiMethod)
		if err != nil {
			s.Fatal(err)
		}
		p.WantRequest("opened", 1, bidiMethod.Name)
		p.Response(1)
		for range 5 {
			p.WriteData(1, false, make([]byte, 16384))
		}
		p.WantRST("more than the window", 1, http2.ErrCodeFlowControl)
		for err == nil {
			_, err = call.Recv()
		}
		s.wantError("the server's fault", err, cqrpc.CodeInternal, "window")
	})
}

// TestServersThatHoldUp: a server that says nothing, or lets nothing through,
// costs the call its deadline and not more.
func TestServersThatHoldUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *scene)
	}{
		{"no SETTINGS", func(s *scene) { s.accept("the call connects") }},
		{"a window of 0", func(s *scene) {
			p := s.server("the call connects", http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			p.WantRequest("headers need no window", 1, unaryMethod.Name)
			p.WantIdle("the message does")
		}},
		{"no streams", func(s *scene) {
			s.server("the call connects", http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}).WantIdle("none is allowed")
		}},
		{"half a frame", func(s *scene) {
			s.server("the call connects").WriteBytes([]byte{0, 0, 9, 1})
		}},
		{"a slow answer", func(s *scene) {
			p := s.server("the call connects")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			p.Response(1)
			for range 5 {
				p.Advance(100 * time.Millisecond)
				p.WriteData(1, false, []byte{0})
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(s *scene) {
				begun := time.Now()
				r := s.unary(s.Context(), "a", WithDeadline(begun.Add(time.Second)))
				tt.do(s)
				s.advance(time.Until(begun.Add(time.Second)) - 1)
				s.wantPending("there is time left", r)
				s.advance(1)
				s.wantFailed("on time", r, cqrpc.CodeDeadlineExceeded)
			})
		})
	}
}

// TestGoAwayLoop: a server that says goodbye to every connection is not called
// in a loop, and the call ends.
func TestGoAwayLoop(t *testing.T) {
	play(t, func(s *scene) {
		go func() {
			for {
				nc, err := s.net.Accept()
				if err != nil {
					return
				}
				go sayGoodbye(s.T, nc.(*memconn.Conn))
			}
		}()
		r := s.unary(s.Context(), "a")
		s.advance(time.Minute)
		s.wantFailed("it does not wait for ever", r, cqrpc.CodeUnavailable)
		if n := len(s.attempts()); n > 12 {
			s.Errorf("%d connections within a minute", n)
		}
	})
}

// sayGoodbye greets, refuses every stream and hangs up.
func sayGoodbye(t *testing.T, nc *memconn.Conn) {
	defer nc.Close()
	f := http2.NewFramer(nc, nc)
	if f.WriteSettings() != nil || f.WriteGoAway(0, http2.ErrCodeNo, nil) != nil {
		t.Log("the client was faster")
	}
}

// A server that lets its socket fill holds one call, not the client.
func TestServerThatDoesNotRead(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		p.Ignore(http2.FramePing)
		before := heap()
		var calls []*result
		for range 100 {
			calls = append(calls, s.unary(s.Context(), strings.Repeat("x", 200<<10)))
		}
		if grown := heap() - before; grown > 100*(600<<10) {
			s.Errorf("the heap grew by %d octets", grown)
		}
		p.Close()
		for _, r := range calls {
			s.wantFailed("the connection is lost", r, cqrpc.CodeUnavailable)
		}
	}, WithTransport(transport.Config{}))
}
