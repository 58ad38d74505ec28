package transport

import (
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// small budgets keep the floods short.
var small = Budgets{
	PeerResets: Budget{20, 1}, OwnResets: Budget{20, 1}, Settings: Budget{20, 1},
	Glitches: Budget{50, 1}, UnsentAcks: 30, UnsentResets: 40,
}

// TestFloods: work that brings the peer nothing ends the connection, and soon.
func TestFloods(t *testing.T) {
	request := func(p *h2peer.Peer, i int) uint32 { p.Request(uint32(2*i+1), "/s/m"); return uint32(2*i + 1) }
	for _, tc := range []struct {
		name  string
		side  Side
		limit int // attempts that must be enough
		once  func(p *h2peer.Peer)
		write func(p *h2peer.Peer, i int)
		words string
	}{
		{"rapid reset, CVE-2023-44487", Server, 21, nil, func(p *h2peer.Peer, i int) {
			p.WriteRST(request(p, i), http2.ErrCodeCancel)
		}, "RST_STREAM"},
		{"made you reset by WINDOW_UPDATE, CVE-2025-8671", Server, 21, nil, func(p *h2peer.Peer, i int) {
			p.WriteWindowUpdate(request(p, i), 0)
		}, "reset"},
		{"made you reset by overflow", Server, 21, nil, func(p *h2peer.Peer, i int) {
			p.WriteWindowUpdate(request(p, i), 1<<31-1)
		}, "reset"},
		{"made you reset by DATA after the end", Server, 21, nil, func(p *h2peer.Peer, i int) {
			id := request(p, i)
			p.WriteData(id, true, nil)
			p.WriteData(id, true, []byte("x"))
		}, "reset"},
		{"malformed requests, CVE-2019-9514", Server, 21, nil, func(p *h2peer.Peer, i int) {
			p.WriteHeaders(uint32(2*i+1), false, "", "")
		}, "reset"},
		{"SETTINGS, CVE-2019-9515", Server, 21, nil, func(p *h2peer.Peer, i int) { p.WriteSettings() }, "SETTINGS"},
		{"SETTINGS acknowledgements", Client, 52, nil, func(p *h2peer.Peer, i int) { p.WriteSettingsAck() }, "SETTINGS"},
		{"PRIORITY, CVE-2019-9513", Server, 52, nil, func(p *h2peer.Peer, i int) {
			p.WritePriority(uint32(2*i+1), http2.PriorityParam{})
		}, "without effect"},
		{"unknown frames", Client, 52, nil, func(p *h2peer.Peer, i int) { p.WriteRaw(0x20, 0, 0, []byte("x")) },
			"without effect"},
		{"empty DATA, CVE-2019-9518", Server, 52, func(p *h2peer.Peer) { p.Request(1, "/s/m") }, func(p *h2peer.Peer, i int) {
			p.WriteData(1, false, nil)
		}, "empty DATA"},
		{"padding only", Server, 52, func(p *h2peer.Peer) { p.Request(1, "/s/m") }, func(p *h2peer.Peer, i int) {
			p.WriteDataPadded(1, false, nil, []byte("pad"))
		}, "empty DATA"},
		{"PING answers", Client, 52, nil, func(p *h2peer.Peer, i int) { p.WritePing(true, [8]byte{1}) }, "without effect"},
		{"GOAWAY from a client", Server, 52, nil, func(p *h2peer.Peer, i int) { p.WriteGoAway(0, 0, "") }, "GOAWAY"},
		{"refused streams", Server, 1100, nil, func(p *h2peer.Peer, i int) { request(p, i) }, "refused"},
		{"frames on a closed stream", Server, 70, func(p *h2peer.Peer) {
			p.Request(1, "/s/m")
			p.WriteRST(1, http2.ErrCodeCancel)
		}, func(p *h2peer.Peer, i int) { p.WriteWindowUpdate(1, 1) }, "closed streams"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			greeted(t, tc.side, Config{Budgets: small, Enforcement: Enforcement{MaxStrikes: -1}}, func(s *scene) {
				s.peer.Ignore(http2.FrameRSTStream, http2.FramePing, http2.FrameSettings)
				if tc.once != nil {
					tc.once(s.peer)
				}
				for i := range tc.limit {
					tc.write(s.peer, i)
				}
				f := s.peer.WantGoAway("enough", http2.ErrCodeEnhanceYourCalm)
				if !strings.Contains(string(f.Payload), tc.words) {
					t.Errorf("debug data %q; want %q in it", f.Payload, tc.words)
				}
				s.peer.WantClosed("and closed")
			})
		})
	}
}

// TestClientFloods: floods by a server that need an open stream.
func TestClientFloods(t *testing.T) {
	for name, write := range map[string]func(p *h2peer.Peer){
		"informational responses": func(p *h2peer.Peer) { p.WriteHeaders(1, false, ":status", "103") },
		"empty DATA":              func(p *h2peer.Peer) { p.WriteData(1, false, nil) },
		"GOAWAY":                  func(p *h2peer.Peer) { p.WriteGoAway(1, http2.ErrCodeNo, "") },
	} {
		t.Run(name, func(t *testing.T) {
			greeted(t, Client, Config{Budgets: small}, func(s *scene) {
				s.open(frame.Outgoing{End: true})
				s.peer.WantHeaders("request", 1, true)
				if name == "empty DATA" {
					s.peer.Response(1)
				}
				for range 60 {
					write(s.peer)
				}
				s.wantDead("enough", http2.ErrCodeEnhanceYourCalm)
			})
		})
	}
}

// TestDeclined: a request that the server does not take is no fault of the peer,
// and neither is what crosses the refusal.
func TestDeclined(t *testing.T) {
	for name, reset := range map[string]func(s *scene, id uint32){
		"resets that the peer has forced": func(s *scene, id uint32) { s.peer.WriteHeaders(id, false, "", "") },
		"resets by the peer": func(s *scene, id uint32) {
			s.handler.decline = false
			s.peer.Request(id, "/s/m")
			s.served(id)
			s.handler.decline = true
			s.peer.WriteRST(id, http2.ErrCodeCancel)
		},
	} {
		t.Run(name, func(t *testing.T) {
			greeted(t, Server, Config{Budgets: small}, func(s *scene) {
				s.handler.decline = true
				for i := range 500 {
					s.peer.Request(uint32(2*i+1), "/s/m")
					s.peer.WantRST("the server has its own reasons", uint32(2*i+1), http2.ErrCodeRefusedStream)
					s.peer.WriteMessage(uint32(2*i+1), true, nil)
					s.peer.WriteRST(uint32(2*i+1), http2.ErrCodeCancel)
				}
				s.wantAlive("for as long as it has them")
				s.peer.Ignore(http2.FrameRSTStream)
				reset(s, 1001)
				for id := uint32(1003); id < 1003+2*20; id += 2 {
					s.peer.Request(id, "/s/m")
				}
				s.wantDead("but not beside "+name, http2.ErrCodeEnhanceYourCalm)
			})
		})
	}
}

// TestUnreadFloods: the peer does not read, so what it makes us say piles up, to
// a limit.
func TestUnreadFloods(t *testing.T) {
	for _, tc := range []struct {
		name    string
		budgets Budgets
		write   func(s *scene, i int)
	}{
		{"PING, CVE-2019-9512", small, func(s *scene, i int) { s.peer.WritePing(false, [8]byte{}) }},
		{"SETTINGS", Budgets{Settings: Budget{1 << 20, 0}, UnsentAcks: 30}, func(s *scene, i int) { s.peer.WriteSettings() }},
		{"malformed requests", Budgets{OwnResets: Budget{1 << 20, 0}, UnsentResets: 40}, func(s *scene, i int) {
			s.peer.WriteHeaders(uint32(2*i+1), false, "", "")
		}},
		{"DATA on closed streams", Budgets{OwnResets: Budget{1 << 20, 0}, UnsentResets: 40,
			PeerResets: Budget{1 << 20, 0}}, func(s *scene, i int) {
			s.peer.Request(uint32(2*i+1), "/s/m")
			s.peer.WriteRST(uint32(2*i+1), http2.ErrCodeCancel)
			s.peer.WriteData(uint32(2*i+1), false, []byte("x"))
		}},
		{"requests that the server resets", Budgets{UnsentResets: 40}, func(s *scene, i int) {
			s.peer.Request(uint32(2*i+1), "/s/m")
			if !s.isClosing() {
				s.served(uint32(2*i + 1)).stream.Reset(frame.Cancel)
			}
		}},
		{"credit for streams that are gone", Budgets{PeerResets: Budget{1 << 20, 0}, UnsentResets: 40}, func(s *scene,
			i int) {
			s.peer.Request(uint32(2*i+1), "/s/m")
			s.peer.WriteData(uint32(2*i+1), false, make([]byte, 16384))
			s.peer.WriteRST(uint32(2*i+1), http2.ErrCodeCancel)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{Budgets: tc.budgets, MaxConcurrentStreams: 10, MaxWindow: -1, Enforcement: Enforcement{MaxStrikes: -1}}
			greeted(t, Server, cfg, func(s *scene) {
				s.far.Stall()
				s.near.SetWriteLimit(1)
				s.peer.WritePing(false, [8]byte{}) // the flusher is stuck on its answer
				s.wait()
				for i := 0; i < 100 && !s.isClosing(); i++ {
					tc.write(s, i)
				}
				if !s.isClosing() {
					t.Fatalf("100 times and still open: %v", s.conn)
				}
				if err := s.ended(); err == nil || !strings.Contains(err.Error(), "ENHANCE_YOUR_CALM") {
					t.Errorf("OnClosed(%v)", err)
				}
			})
		})
	}
}

// isClosing reports whether the connection has been given up.
func (s *scene) isClosing() bool {
	s.wait()
	return s.conn.stopped.Load()
}

// TestGoodFaith: what crosses the end of a stream on the wire is no flood, at any
// rate of streams.
func TestGoodFaith(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		greeted(t, Client, Config{Budgets: small}, func(s *scene) {
			s.peer.Ignore(http2.FrameHeaders, http2.FrameRSTStream)
			for i := range 200 {
				id := uint32(2*i + 1)
				call := s.open(frame.Outgoing{End: true})
				call.stream.Reset(frame.Cancel)
				s.peer.Response(id)
				s.peer.WriteMessage(id, false, []byte("a message"))
				s.peer.Trailers(id, 0)
				s.peer.WriteRST(id, http2.ErrCodeNo)
			}
			s.wantAlive("200 cancelled calls whose answers came too late")
			call := s.open(frame.Outgoing{End: true})
			s.peer.Response(401)
			call.stream.Reset(frame.Cancel)
			for range 1000 {
				s.peer.WriteMessage(401, false, nil)
			}
			s.wantAlive("a window full of small messages for one cancelled call")
		})
	})
	t.Run("client, all at once", func(t *testing.T) {
		greeted(t, Client, Config{Budgets: small}, func(s *scene) {
			s.peer.Ignore(http2.FrameHeaders, http2.FrameRSTStream)
			var calls []*probe
			for range 2 * recentStreams {
				calls = append(calls, s.open(frame.Outgoing{End: true}))
			}
			for _, c := range calls {
				c.stream.Reset(frame.Cancel)
			}
			for i := range calls {
				s.peer.Response(uint32(2*i + 1))
				s.peer.WriteMessage(uint32(2*i+1), false, nil)
				s.peer.Trailers(uint32(2*i+1), 0)
			}
			s.wantAlive("more cancelled calls than are remembered")
		})
	})
	t.Run("server", func(t *testing.T) {
		greeted(t, Server, Config{Budgets: small}, func(s *scene) {
			s.peer.Ignore(http2.FrameHeaders, http2.FrameData)
			for i := range 200 {
				id := uint32(2*i + 1)
				s.endedRequest(id).respond()
				for range 4 {
					s.peer.WriteWindowUpdate(id, 1000)
				}
			}
			s.wantAlive("200 clients' worth of credit for responses that had ended")
		})
	})
}

// TestPatientClients: calls that are given up when they have waited are no rapid
// reset, however many and however often. A busy connection is looked at as it goes on.
func TestPatientClients(t *testing.T) {
	for _, pause := range []time.Duration{300 * time.Millisecond, 50 * time.Millisecond} {
		greeted(t, Server, Config{Budgets: small, Enforcement: Enforcement{MaxStrikes: -1}}, func(s *scene) {
			id := uint32(1)
			for range 5 {
				first := id
				for ; id < first+200; id += 2 {
					s.peer.Request(id, "/s/m")
				}
				for waited := time.Duration(0); waited < 600*time.Millisecond; waited += pause {
					time.Sleep(pause)              // fake clock
					s.peer.WriteWindowUpdate(0, 1) // something to read
				}
				for late := first; late < id; late += 2 {
					s.peer.WriteRST(late, http2.ErrCodeCancel)
				}
				s.wantAlive("they had waited for half a second")
			}
			for last := id + 2*30; id < last; id += 2 {
				s.peer.Request(id, "/s/m")
				s.peer.WriteRST(id, http2.ErrCodeCancel)
			}
			s.wantDead("these had not", http2.ErrCodeEnhanceYourCalm)
		})
	}
}

// TestCrowds: when so many streams were open at once, their end at once is no flood either; what
// comes after it is.
func TestCrowds(t *testing.T) {
	const many = 12000
	t.Run("server", func(t *testing.T) {
		greeted(t, Server, Config{MaxConcurrentStreams: -1}, func(s *scene) {
			for i := range many {
				s.peer.Request(uint32(2*i+1), "/s/m")
			}
			s.wait()
			for i := range many {
				s.peer.WriteRST(uint32(2*i+1), http2.ErrCodeCancel)
			}
			s.wantAlive("a client that gives up all that it has asked for")
			for i := many; i < many+10; i++ {
				s.peer.Request(uint32(2*i+1), "/s/m")
				s.peer.WriteRST(uint32(2*i+1), http2.ErrCodeCancel)
			}
			s.wantDead("rapid reset", http2.ErrCodeEnhanceYourCalm)
		})
	})
	t.Run("client", func(t *testing.T) {
		greeted(t, Client, Config{Budgets: small}, func(s *scene) {
			s.peer.Ignore(http2.FrameHeaders, http2.FrameRSTStream)
			for _, c := range s.openMany(many) {
				c.stream.Reset(frame.Cancel)
			}
			for i := range many {
				s.peer.Response(uint32(2*i + 1))
				s.peer.Trailers(uint32(2*i+1), 0)
				s.peer.WriteRST(uint32(2*i+1), http2.ErrCodeNo)
			}
			s.wantAlive("answers that come too late for all of them")
		})
	})
	t.Run("client, network stalled", func(t *testing.T) {
		greeted(t, Client, Config{}, func(s *scene) {
			s.peer.Ignore(http2.FrameHeaders, http2.FrameRSTStream)
			calls := s.openMany(many)
			s.wait()
			s.far.Stall()
			s.near.SetWriteLimit(1)
			s.peer.WritePing(false, [8]byte{}) // the flusher is stuck on its answer
			s.wait()
			for _, c := range calls {
				c.stream.Reset(frame.Cancel)
			}
			s.peer.WritePing(false, [8]byte{})
			if s.isClosing() {
				t.Errorf("the application's own resets have ended the connection: %v", s.ended())
			}
		})
	})
}

func (s *scene) openMany(n int) (calls []*probe) {
	for range n {
		calls = append(calls, s.open(frame.Outgoing{End: true}))
	}
	return calls
}

func TestStrikesOfFloodOfPings(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		for range 4 {
			s.peer.WritePing(false, [8]byte{})
		}
		s.peer.Ignore(http2.FramePing)
		s.wantDead("too_many_pings", http2.ErrCodeEnhanceYourCalm)
	})
}

// Limits without end are not exceeded by the first event because of an overflow.
func TestLimitsWithoutEnd(t *testing.T) {
	for name, cfg := range map[string]Config{
		"streams":          {MaxConcurrentStreams: math.MaxInt},
		"resets":           {Budgets: Budgets{UnsentResets: math.MaxInt, UnsentAcks: math.MaxInt}},
		"streams and both": {MaxConcurrentStreams: math.MaxInt, Budgets: Budgets{UnsentResets: math.MaxInt}},
	} {
		t.Run(name, func(t *testing.T) {
			greeted(t, Server, cfg, func(s *scene) {
				s.endedRequest(1).respond()
				s.wantResponse("served", 1)
				s.peer.WritePing(false, [8]byte{1})
				s.peer.WantPingAck("answered", [8]byte{1})
				s.peer.WantIdle("nothing is wrong")
			})
		})
	}
}
