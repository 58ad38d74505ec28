package transport

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

func TestServerGreeting(t *testing.T) {
	play(t, Server, Config{MaxConcurrentStreams: 7, InitialWindow: 1 << 20, MaxFrameSize: 1 << 15,
		HeaderTableSize: 100}, func(s *scene) {
		s.peer.WantSettings("a server says what it takes without waiting",
			http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 7},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20},
			http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15},
			http2.Setting{ID: http2.SettingHeaderTableSize, Val: 100},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 16384})
		s.peer.WantWindowUpdate("the connection window is 1 MiB", 0, 1<<20-65535)
		s.peer.WantIdle("the rest is up to the client")
		s.peer.WritePreface()
		s.peer.WriteSettings()
		s.peer.WantSettingsAck("SETTINGS are acknowledged (RFC 9113 section 6.5.3)")
		if s.handler.ready != 1 {
			t.Errorf("OnReady came %d times", s.handler.ready)
		}
	})
}

func TestClientGreeting(t *testing.T) {
	play(t, Client, Config{}, func(s *scene) {
		f := s.peer.WantSettings("the preface is checked by the peer", http2.Setting{ID: http2.SettingEnablePush, Val: 0})
		if _, ok := f.Setting(http2.SettingInitialWindowSize); ok {
			t.Error("a default is announced")
		}
		s.peer.WantWindowUpdate("the connection window is 1 MiB", 0, 1<<20-65535)
		call := s.open(frame.Outgoing{End: true})
		s.peer.WantHeaders("a request need not wait for the server's SETTINGS", 1, true)
		if s.handler.ready != 0 {
			t.Error("ready before the server's SETTINGS")
		}
		s.peer.WriteSettings()
		s.peer.WantSettingsAck("acknowledged")
		if s.handler.ready != 1 {
			t.Errorf("OnReady came %d times", s.handler.ready)
		}
		call.wantOpen("it waits for its response")
	})
}

func TestHandshakeFaults(t *testing.T) {
	ping := func(p *h2peer.Peer) { p.WritePing(false, [8]byte{}) }
	for _, tc := range []struct {
		name  string
		side  Side
		write func(*h2peer.Peer)
		words string // in the cause
	}{
		{"HTTP/1 request", Server, func(p *h2peer.Peer) { p.WriteBytes([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) },
			"HTTP/1"},
		{"TLS on a plaintext port", Server, func(p *h2peer.Peer) { p.WriteBytes([]byte("\x16\x03\x01\x02\x00\x01")) }, "TLS"},
		{"garbage", Server, func(p *h2peer.Peer) { p.WriteBytes([]byte("\x00\x01\x02\x03")) }, "preface"},
		{"preface cut by other bytes", Server,
			func(p *h2peer.Peer) { p.WriteBytes([]byte("PRI * HTTP/2.0\r\n\r\nXX")) }, "preface"},
		{"first frame is PING", Server, func(p *h2peer.Peer) { p.WritePreface(); ping(p) }, "not SETTINGS"},
		{"first frame is SETTINGS ACK", Server, func(p *h2peer.Peer) { p.WritePreface(); p.WriteSettingsAck() },
			"first frame is an acknowledgement, not SETTINGS"},
		{"first frame is DATA", Server, func(p *h2peer.Peer) { p.WritePreface(); p.WriteData(1, false, []byte("x")) },
			"not SETTINGS"},
		{"first frame is PING", Client, ping, "not SETTINGS"},
		{"HTTP/1 response", Client, func(p *h2peer.Peer) { p.WriteBytes([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
			"HTTP/1"},
	} {
		t.Run(tc.side.String()+": "+tc.name, func(t *testing.T) {
			play(t, tc.side, Config{}, func(s *scene) {
				tc.write(s.peer)
				s.peer.WantSettings("our SETTINGS come first, whatever the peer does")
				s.peer.Ignore(http2.FrameWindowUpdate)
				f := s.peer.Until("GOAWAY says why", func(f h2peer.Frame) bool { return f.Type == http2.FrameGoAway })
				if code := f[len(f)-1].Code; code != http2.ErrCodeProtocol && code != http2.ErrCodeFrameSize {
					t.Errorf("GOAWAY with %v", code)
				}
				s.peer.WantClosed("no handshake, no connection")
				if err := s.ended(); err == nil || !strings.Contains(err.Error(), tc.words) {
					t.Errorf("OnClosed(%v); want %q in it", err, tc.words)
				}
				if s.handler.ready != 0 {
					t.Error("OnReady came")
				}
			})
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		t.Run(side.String(), func(t *testing.T) {
			play(t, side, Config{HandshakeTimeout: 5 * time.Second}, func(s *scene) {
				if side == Server {
					s.peer.WritePreface()
				}
				s.peer.Advance(5*time.Second - 1)
				if s.isOver() {
					t.Fatal("too early")
				}
				s.peer.Advance(1)
				if err := s.ended(); err == nil || !strings.Contains(err.Error(), "no HTTP/2 handshake within 5s") {
					t.Errorf("OnClosed(%v)", err)
				}
			})
		})
	}
}

func TestHandshakeDeadlineEnds(t *testing.T) {
	greeted(t, Server, Config{HandshakeTimeout: time.Second}, func(s *scene) {
		s.peer.Advance(time.Hour)
		s.wantAlive("the timeout is for the handshake only")
	})
}

// TestHeaderTimeout: a header block holds up the connection, so it is not waited
// for as long as the peer likes, however often it sends a little.
func TestHeaderTimeout(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		for name, write := range map[string]func(p *h2peer.Peer, block []byte){
			"no CONTINUATION": func(p *h2peer.Peer, block []byte) { p.WriteHeadersRaw(1, true, false, block) },
			"empty CONTINUATIONs": func(p *h2peer.Peer, block []byte) {
				p.WriteHeadersRaw(1, true, false, block)
				for range 4 {
					p.Advance(time.Second)
					p.WriteContinuation(1, false, nil)
				}
			},
			"payload cut": func(p *h2peer.Peer, block []byte) {
				p.WriteBytes([]byte{0, 0, byte(len(block) + 1), 1, 5, 0, 0, 0, 1})
				p.WriteBytes(block)
			},
		} {
			t.Run(side.String()+": "+name, func(t *testing.T) {
				greeted(t, side, Config{HeaderTimeout: 5 * time.Second}, func(s *scene) {
					if side == Client {
						s.open(frame.Outgoing{End: true})
						s.peer.WantHeaders("request", 1, true)
					}
					begun := time.Now()
					write(s.peer, s.peer.EncodeHeaders(":status", "200"))
					s.peer.Advance(5*time.Second - 1 - time.Since(begun))
					s.peer.WantIdle("in time")
					s.peer.Advance(1)
					f := s.peer.WantGoAway("too late", http2.ErrCodeEnhanceYourCalm)
					if !strings.Contains(string(f.Payload), "header block not complete within 5s") {
						t.Errorf("debug data %q", f.Payload)
					}
					s.peer.WantClosed("and closed")
				})
			})
		}
	}
}

func TestHeaderTimeoutEnds(t *testing.T) {
	greeted(t, Server, Config{HeaderTimeout: 5 * time.Second}, func(s *scene) {
		block := s.peer.EncodeHeaders(":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a")
		s.peer.WriteHeadersRaw(1, false, false, block[:1])
		s.peer.Advance(4 * time.Second)
		s.peer.WriteContinuation(1, true, block[1:])
		s.served(1)
		s.peer.Advance(time.Hour)
		s.wantAlive("the timeout is for the block only")
	})
}

// TestCloseInHeaders: an unfinished header block does not put off the end of a connection that is
// being closed.
func TestCloseInHeaders(t *testing.T) {
	greeted(t, Server, Config{HeaderTimeout: time.Hour}, func(s *scene) {
		s.conn.Close()
		s.peer.WriteHeadersRaw(1, false, false, nil)
		s.wantDead("closed", http2.ErrCodeNo)
		if err := s.ended(); err != nil {
			t.Errorf("OnClosed(%v)", err)
		}
	})
}

func TestPeerClosesInHandshake(t *testing.T) {
	play(t, Client, Config{}, func(s *scene) {
		call := s.open(frame.Outgoing{})
		s.peer.Close()
		if err := s.ended(); err == nil || !strings.Contains(err.Error(), "closed by the peer before its SETTINGS") {
			t.Errorf("OnClosed(%v)", err)
		}
		call.wantClosed("the request was under way", frame.ConnLost, 0)
	})
}

func TestCloseInHandshake(t *testing.T) {
	play(t, Server, Config{}, func(s *scene) {
		s.conn.Close()
		s.peer.WritePreface()
		s.peer.WriteSettings()
		s.peer.WantSettings("GOAWAY may not be the first frame")
		s.peer.Ignore(http2.FrameWindowUpdate, http2.FrameSettings)
		s.wantDead("closed", http2.ErrCodeNo)
		if err := s.ended(); err != nil {
			t.Errorf("OnClosed(%v)", err)
		}
	})
}

// TestFinalGoAwayKeepsSettings: closed before the flusher ran at all.
func TestFinalGoAwayKeepsSettings(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		var k controlState
		cfg := Config{}.resolved(side)
		k.greet(side, &cfg)
		k.addReset(1, frame.Cancel)
		k.finalGoAway(goAwayFrame{})
		if k.preface != (side == Client) || len(k.settings) == 0 || len(k.resets) > 0 || len(k.goAways) != 1 {
			t.Errorf("%v: %+v", side, k)
		}
	}
}
