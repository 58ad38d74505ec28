package transport

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

func TestSendWindowOverflow(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		greeted(t, side, Config{}, func(s *scene) {
			if side == Client {
				s.open(frame.Outgoing{})
				s.peer.WantHeaders("request", 1, false)
			} else {
				s.peer.Request(1, "/s/m")
				s.served(1)
			}
			s.peer.WriteWindowUpdate(1, 1<<31-1)
			s.peer.WantRST("a stream's window past 2^31-1 (RFC 9113 section 6.9.1)", 1, http2.ErrCodeFlowControl)
			s.wantAlive("costs the stream only")
			s.peer.WriteWindowUpdate(0, 1<<31-1-65535)
			s.wantAlive("the limit itself is legal")
			s.peer.WriteWindowUpdate(0, 1)
			s.wantDead("the connection's window", http2.ErrCodeFlowControl)
		})
	}
}

// TestStreamWindowViolation: one byte more than the window.
func TestStreamWindowViolation(t *testing.T) {
	play(t, Server, Config{MaxWindow: -1}, func(s *scene) {
		s.handler.hold = true
		s.peer.Greet()
		s.peer.Ignore(http2.FrameWindowUpdate)
		s.peer.Request(1, "/s/m")
		call := s.served(1)
		for range 3 {
			s.peer.WriteData(1, false, make([]byte, 16384))
		}
		s.peer.WriteData(1, false, make([]byte, 16383))
		s.wantAlive("65535 bytes are what the window allows")
		s.peer.WriteData(1, false, []byte("x"))
		s.peer.WantRST("one more is not", 1, http2.ErrCodeFlowControl)
		call.wantClosed("violation", frame.Violation, frame.FlowControlError)
		s.wantAlive("the connection's window is returned as bytes are read")
	})
}

// TestPaddingFillsWindow: padding counts (RFC 9113 section 6.1), and comes back.
func TestPaddingFillsWindow(t *testing.T) {
	play(t, Server, Config{MaxWindow: -1}, func(s *scene) {
		s.handler.hold = true // the application returns nothing, so all credit is for padding
		s.peer.Greet()
		s.peer.Request(1, "/s/m")
		s.served(1)
		for range 64 { // a byte of data, and 256 of padding with its length
			s.peer.WriteDataPadded(1, false, []byte("d"), make([]byte, 255))
		}
		s.peer.WantWindowUpdate("a quarter of the window was padding", 1, 64*256)
		s.peer.WriteDataPadded(1, false, []byte("d"), make([]byte, 255))
		s.peer.WantIdle("the rest is below the threshold")
	})
}

// TestConnWindowViolation: many streams, none of which exceeds its own window.
func TestConnWindowViolation(t *testing.T) {
	greeted(t, Server, Config{InitialConnWindow: 1 << 17, MaxWindow: -1}, func(s *scene) {
		s.far.Stall() // the flusher is stuck, so no credit is announced
		s.near.SetWriteLimit(1)
		s.peer.WritePing(false, [8]byte{})
		s.wait()
		for id := uint32(1); id < 9; id += 2 {
			s.peer.Request(id, "/s/m")
			s.peer.WriteData(id, false, make([]byte, 16384))
			s.peer.WriteData(id, false, make([]byte, 16384))
		}
		if s.isClosing() {
			t.Fatal("that was within the window")
		}
		s.peer.WriteData(1, false, []byte("x"))
		if !s.isClosing() {
			t.Error("nothing is said about one byte too many")
		}
		s.far.Resume()
		s.near.SetWriteLimit(0)
		s.peer.Ignore(http2.FramePing)
		s.wantDead("a violation on the connection (RFC 9113 section 6.9.1)", http2.ErrCodeFlowControl)
	})
}

func TestCreditOfConnection(t *testing.T) {
	play(t, Server, Config{InitialConnWindow: 1 << 17, MaxWindow: -1}, func(s *scene) {
		s.handler.hold = true // not even what nobody takes holds up the others
		s.peer.Greet()
		s.peer.Request(1, "/s/m")
		s.peer.WriteData(1, false, make([]byte, 16384))
		s.peer.WantIdle("an eighth of the window")
		s.peer.WriteData(1, false, make([]byte, 16384))
		s.peer.WantWindowUpdate("a quarter", 0, 32768)
		s.peer.WantIdle("the stream's window is for the application to return")
		s.served(1).stream.Consume(32768)
		s.peer.WantWindowUpdate("which it does", 1, 32768)
	})
}

// TestStrayDataIsCredited: DATA of streams that are gone does not shrink the connection's window.
func TestStrayDataIsCredited(t *testing.T) {
	play(t, Server, Config{InitialConnWindow: 65535, MaxWindow: -1}, func(s *scene) {
		s.peer.Greet()
		s.peer.Request(1, "/s/m")
		s.served(1).stream.Reset(frame.Cancel)
		s.peer.WantRST("reset", 1, http2.ErrCodeCancel)
		for range 10 {
			s.peer.WriteData(1, false, make([]byte, 16384))
			s.peer.WantWindowUpdate("read and dropped", 0, 16384)
		}
	})
}

func TestLargeMessage(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 100_000/16)
	t.Run("sent", func(t *testing.T) {
		greeted(t, Client, Config{}, func(s *scene) {
			call := s.open(with(message(body), nil, nil, true))
			s.peer.WantHeaders("request", 1, false)
			got := s.peer.WantDataBytes("the whole window", 1, 65535)
			s.peer.WantIdle("both windows are empty")
			s.peer.WriteWindowUpdate(1, 50_000)
			s.peer.WantIdle("the connection's still is")
			s.peer.WriteWindowUpdate(0, 50_000)
			got = append(got, s.peer.WantDataBytes("the rest", 1, len(body)+5-65535)...)
			if !bytes.Equal(got, h2peer.Message(body)) {
				t.Error("the bytes differ")
			}
			call.wantSent("through", frame.Sent{Headers: true, Messages: 1, End: true})
		})
	})
	t.Run("received", func(t *testing.T) {
		play(t, Server, Config{MaxWindow: -1}, func(s *scene) {
			s.peer.Greet()
			s.peer.Request(1, "/s/m")
			m, window := h2peer.Message(body), 65535
			for len(m) > 0 {
				n := min(len(m), 16384, window)
				s.peer.WriteData(1, n == len(m), m[:n])
				m, window = m[n:], window-n
				if window == 0 || n < 16384 && len(m) > 0 {
					for _, f := range s.peer.Until("credit", func(f h2peer.Frame) bool { return f.StreamID == 1 }) {
						if f.StreamID == 1 {
							window += int(f.Increment)
						}
					}
				}
			}
			if data, _, ended := s.served(1).received(); !bytes.Equal(data, h2peer.Message(body)) || !ended {
				t.Errorf("received %d bytes, ended %v", len(data), ended)
			}
		})
	})
}

// TestCreditAhead: a receiver that waits for a large message returns credit for all of it at once.
// That opens the stream's window to MaxWindow, and the connection's with it; the rest follows as
// the window is used.
func TestCreditAhead(t *testing.T) {
	const limit, message = 1 << 20, 3 << 20
	play(t, Server, Config{MaxWindow: limit, InitialConnWindow: 1 << 17}, func(s *scene) {
		s.handler.hold = true
		s.peer.Greet()
		s.peer.Request(1, "/s/m")
		s.served(1).stream.Consume(message)
		s.peer.WantWindowUpdate("up to the limit", 1, limit-65535)
		s.peer.WantWindowUpdate("the connection does not stand in the way", 0, limit-1<<17)
		s.peer.Ignore(http2.FrameWindowUpdate, http2.FramePing)
		window, sent := limit, 0
		for rounds := 0; sent < message; rounds++ {
			if rounds > 2*message/limit {
				t.Fatalf("%d bytes came through in %d rounds", sent, rounds)
			}
			for ; window > 0; window -= 1 << 14 {
				s.peer.WriteData(1, false, make([]byte, 1<<14))
				sent += 1 << 14
			}
			s.wait()
			window = int(s.served(1).stream.recvWindow.Load())
			if window > limit {
				t.Fatalf("a window of %d", window)
			}
		}
		if got := int64(s.served(1).stream.recvWindow.Load()) + s.served(1).stream.credit.Load(); got != 65535+message-int64(sent) {
			t.Errorf("%d bytes of credit are left", got)
		}
	})
}

// TestNoCreditAheadOfFixedWindows: a window that was configured not to grow does not, whatever is
// waited for.
func TestNoCreditAheadOfFixedWindows(t *testing.T) {
	play(t, Server, Config{MaxWindow: -1}, func(s *scene) {
		s.handler.hold = true
		s.peer.Greet()
		s.peer.Request(1, "/s/m")
		s.served(1).stream.Consume(1 << 20)
		s.peer.WantIdle("the window is open")
		for range 10 {
			s.peer.WriteData(1, false, make([]byte, 1<<14))
			s.peer.WantWindowUpdate("a quarter was used", 1, 1<<14)
		}
	})
}

// TestWindowGrowth: a peer that fills the window within a round trip gets a larger one.
func TestWindowGrowth(t *testing.T) {
	play(t, Server, Config{MaxWindow: 400_000}, func(s *scene) {
		s.peer.Greet()
		s.peer.Ignore(http2.FrameWindowUpdate)
		s.peer.Request(1, "/s/m")
		fill := func(n int) {
			for ; n > 0; n -= 16000 {
				s.peer.WriteData(1, false, make([]byte, min(n, 16000)))
				s.served(1)
			}
		}
		answer := func(ping h2peer.Frame) {
			time.Sleep(100 * time.Millisecond) // fake clock
			s.peer.WritePing(true, [8]byte(ping.Payload))
		}
		fill(16000)
		s.peer.WantIdle("a little data costs no PING")
		fill(32000)
		ping := s.peer.WantPing("half a window: how long is a round trip?")
		fill(48000)
		s.peer.WantIdle("one PING at a time")
		answer(ping)
		fill(65535)
		s.peer.WantSettings("a window within a round trip",
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4 * 65535},
			http2.Setting{ID: http2.SettingMaxFrameSize, Val: grownFrameSize})
		ping = s.peer.WantPing("when does it take effect?")
		fill(2 * 65535)
		s.peer.WantIdle("that may have been sent before")
		answer(ping)
		time.Sleep(120 * time.Millisecond) // fake clock
		fill(4 * 65535)
		s.peer.WantSettings("a window within little more than a round trip, and no more than MaxWindow",
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 400_000})
		fill(1_000_000)
		s.peer.WantIdle("as large as it may become")
	})
}

// TestNoWindowGrowth: a window that is not filled does not grow.
func TestNoWindowGrowth(t *testing.T) {
	play(t, Server, Config{}, func(s *scene) {
		s.peer.Greet()
		s.peer.Ignore(http2.FrameWindowUpdate)
		s.peer.Request(1, "/s/m")
		call := s.served(1)
		for range 20 { // half a window, the answer, a window in a little more than one and a half round trips
			s.peer.WriteData(1, false, make([]byte, 16384))
			s.peer.WriteData(1, false, make([]byte, 16384))
			ping := s.peer.WantPing("half a window")
			time.Sleep(100 * time.Millisecond) // fake clock
			s.peer.WritePing(true, [8]byte(ping.Payload))
			for range 4 {
				time.Sleep(38 * time.Millisecond) // fake clock
				s.peer.WriteData(1, false, make([]byte, 16384))
				s.peer.WantIdle("slow")
			}
		}
		call.mu.Lock()
		call.hold = true
		call.mu.Unlock()
		for range 3 {
			s.peer.WriteData(1, false, make([]byte, 16384))
		}
		ping := s.peer.WantPing("half a window")
		s.peer.WritePing(true, [8]byte(ping.Payload))
		s.peer.WriteData(1, false, make([]byte, 16383))
		s.peer.WantIdle("the application takes nothing: the peer has nothing to fill")
		if got := s.conn.in.streamWindow.Load(); got != 65535 {
			t.Errorf("the window became %d", got)
		}
	})
}

func TestWindowGrowthStaysInProtocol(t *testing.T) {
	c := &Conn{flusher: flusherRunning, cfg: &NewSetup(Server, Config{MaxWindow: math.MaxInt}).cfg}
	c.r = frame.NewReader(strings.NewReader(""), frame.ReaderConfig{})
	c.in.init(c.cfg, 0)
	c.growWindows(1<<31 - 1)
	if c.in.conn.target.Load() != 1<<31-1 {
		t.Errorf("the connection's window grew to %d", c.in.conn.target.Load())
	}
}
