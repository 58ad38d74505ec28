package transport

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

func TestPingIsAnswered(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		greeted(t, side, Config{}, func(s *scene) {
			s.peer.WritePing(false, [8]byte{1, 2, 3})
			s.peer.WantPingAck("the same eight bytes (RFC 9113 section 6.7)", [8]byte{1, 2, 3})
			s.peer.WritePing(true, [8]byte{4, 5, 6})
			s.peer.WantIdle("an answer to nothing is ignored")
		})
	}
}

func TestPing(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		var rtt time.Duration
		s.conn.Ping(func(d time.Duration, err error) { rtt = d })
		f := s.peer.WantPing("ours")
		time.Sleep(30 * time.Millisecond) // fake clock
		s.peer.WritePing(true, [8]byte(f.Payload))
		synctest.Wait()
		if rtt != 30*time.Millisecond {
			t.Errorf("round trip of %v", rtt)
		}
		failed := 0
		for range maxPings + 2 {
			s.conn.Ping(func(_ time.Duration, err error) {
				if err != nil {
					failed++
				}
			})
		}
		if failed != 2 {
			t.Errorf("%d PINGs failed at once; want 2", failed)
		}
		s.conn.Close()
		synctest.Wait()
		if failed != maxPings+2 {
			t.Errorf("%d PINGs failed in all", failed)
		}
	})
}

func TestKeepalive(t *testing.T) {
	cfg := Config{Keepalive: Keepalive{Time: time.Minute, Timeout: 10 * time.Second}}
	for _, side := range []Side{Client, Server} {
		start := func(t *testing.T, script func(s *scene, p *probe)) {
			t.Helper()
			greeted(t, side, cfg, func(s *scene) {
				if side == Server {
					script(s, s.endedRequest(1))
					return
				}
				p := s.open(frame.Outgoing{End: true})
				s.peer.WantHeaders("request", 1, true)
				script(s, p)
			})
		}
		t.Run(side.String()+": no answer", func(t *testing.T) {
			start(t, func(s *scene, p *probe) {
				s.peer.Advance(time.Minute - 1)
				s.peer.WantIdle("not silent for long enough")
				s.peer.Advance(1)
				s.peer.WantPing("are you there?")
				s.peer.Advance(10*time.Second - 1)
				s.peer.WantIdle("the answer may still come")
				s.peer.Advance(1)
				f := s.peer.WantGoAway("dead, as far as anyone can tell (gRFC A8)", http2.ErrCodeEnhanceYourCalm)
				if string(f.Payload) != "keepalive_timeout" {
					t.Errorf("debug data %q", f.Payload)
				}
				err := p.wantClosed("lost", frame.ConnLost, 0)
				if !errors.Is(err, ErrKeepaliveTimeout) || !errors.Is(s.ended(), ErrKeepaliveTimeout) {
					t.Errorf("the causes are %v and %v", err, s.ended())
				}
			})
		})
		t.Run(side.String()+": answered at once", func(t *testing.T) {
			start(t, func(s *scene, p *probe) {
				for range 5 {
					s.peer.Advance(time.Minute)
					f := s.peer.WantPing("are you there?")
					s.peer.WritePing(true, [8]byte(f.Payload))
				}
				p.wantOpen("alive")
			})
		})
		t.Run(side.String()+": anything read is a sign of life", func(t *testing.T) {
			start(t, func(s *scene, p *probe) {
				for range 10 {
					s.peer.Advance(40 * time.Second)
					s.peer.WriteWindowUpdate(1, 1)
					s.peer.WantIdle("no PING")
				}
				s.peer.Advance(time.Minute)
				s.peer.WantPing("silent now")
				s.peer.Advance(9 * time.Second)
				s.peer.WriteWindowUpdate(1, 1)
				s.peer.Advance(40 * time.Second)
				p.wantOpen("it spoke, if not to the point")
			})
		})
		t.Run(side.String()+": suspended while the answer came", func(t *testing.T) {
			// suspend is what a process sees that is stopped while a PING is unanswered: its timer fires late.
			suspend := func(s *scene) (ping [8]byte) {
				f := s.peer.WantPing("are you there?")
				s.conn.mu.Lock()
				s.conn.timers.keepalive.Reset(time.Hour)
				s.conn.mu.Unlock()
				s.peer.Advance(time.Hour)
				s.peer.WantIdle("the answer may be there, unread")
				return [8]byte(f.Payload)
			}
			start(t, func(s *scene, p *probe) {
				s.peer.Advance(time.Minute)
				s.peer.WritePing(true, suspend(s))
				s.peer.Advance(time.Minute)
				p.wantOpen("it was")
				suspend(s)
				s.peer.Advance(10*time.Second - 1)
				s.peer.WantIdle("the peer has its time again")
				s.peer.Advance(1)
				s.peer.WantGoAway("but once", http2.ErrCodeEnhanceYourCalm)
			})
		})
		t.Run(side.String()+": asleep without streams", func(t *testing.T) {
			start(t, func(s *scene, p *probe) {
				if side == Server {
					p.respond()
					s.wantResponse("the only one", 1)
				} else {
					s.peer.TrailersOnly(1, 0)
				}
				s.peer.Advance(time.Hour)
				s.peer.WantIdle("nobody waits for anything")
				if side == Server { // the request is a sign of life
					s.endedRequest(3)
					s.peer.Advance(time.Minute - 1)
					s.peer.WantIdle("not silent for long enough")
					s.peer.Advance(1)
				} else {
					s.open(frame.Outgoing{End: true})
					s.peer.WantHeaders("request", 3, true)
				}
				s.peer.WantPing("awake again")
				s.peer.Advance(10 * time.Second)
				s.peer.WantGoAway("dead for who knows how long", http2.ErrCodeEnhanceYourCalm)
			})
		})
	}
}

// A connection that rests without streams has no keepalive timer, and its peer has not been silent for less long.
func TestRestDropsTheKeepaliveTimer(t *testing.T) {
	isArmed := func(c *Conn) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.timers.keepalive != nil
	}
	for _, permit := range []bool{false, true} {
		t.Run(fmt.Sprintf("PermitWithoutStreams %v", permit), func(t *testing.T) {
			cfg := Config{Keepalive: Keepalive{Time: time.Minute, Timeout: 10 * time.Second, PermitWithoutStreams: permit}}
			greeted(t, Client, cfg, func(s *scene) {
				s.open(frame.Outgoing{End: true})
				s.peer.WantHeaders("request", 1, true)
				if s.conn.forget(); !isArmed(s.conn) {
					t.Error("dropped although a stream is open")
				}
				s.peer.TrailersOnly(1, 0)
				s.peer.Advance(30 * time.Second)
				if s.conn.forget(); isArmed(s.conn) != permit {
					t.Errorf("after a rest without streams it is armed: %v", !permit)
				}
				s.open(frame.Outgoing{End: true})
				s.peer.WantHeaders("request", 3, true)
				s.peer.Advance(30*time.Second - 1)
				s.peer.WantIdle("not silent for long enough")
				s.peer.Advance(1)
				s.peer.WantPing("silent since the first response")
			})
		})
	}
}

func TestKeepaliveWithoutStreams(t *testing.T) {
	cfg := Config{Keepalive: Keepalive{Time: 20 * time.Second, Timeout: time.Minute, PermitWithoutStreams: true}}
	greeted(t, Client, cfg, func(s *scene) {
		s.peer.Advance(20 * time.Second)
		f := s.peer.WantPing("permitted")
		s.peer.WritePing(true, [8]byte(f.Payload))
		s.peer.Advance(20*time.Second - 1)
		s.peer.WantIdle("not silent for long enough")
		s.peer.Advance(1)
		s.peer.WantPing("and again, although the timeout is longer than the interval")
		s.peer.Advance(time.Minute - 1)
		s.peer.WantIdle("the answer may still come")
		s.peer.Advance(1)
		s.peer.WantGoAway("no answer", http2.ErrCodeEnhanceYourCalm)
	})
}

// TestEnforcement: when a client's PINGs become strikes (gRFC A8).
func TestEnforcement(t *testing.T) {
	const minute = time.Minute
	cfg := Config{Enforcement: Enforcement{MinTime: 5 * minute}}
	ping := func(s *scene, n int, every time.Duration) {
		for range n {
			s.wantAlive("forgiven")
			s.peer.Advance(every)
		}
	}
	dead := func(s *scene) {
		s.peer.WritePing(false, [8]byte{})
		f := s.peer.WantGoAway("one strike too many", http2.ErrCodeEnhanceYourCalm)
		if string(f.Payload) != "too_many_pings" {
			s.Errorf("debug data %q", f.Payload)
		}
	}
	for _, tc := range []struct {
		name   string
		cfg    Config
		script func(s *scene)
	}{
		{"the first is free, two strikes forgiven", cfg, func(s *scene) {
			s.endedRequest(1)
			ping(s, 3, minute)
			dead(s)
		}},
		{"at the permitted rate", cfg, func(s *scene) {
			s.endedRequest(1)
			ping(s, 20, 5*minute)
		}},
		{"a strike moves the reference time", cfg, func(s *scene) {
			s.endedRequest(1)
			ping(s, 1, 4*minute)
			ping(s, 1, 4*minute) // eight minutes after the first, four after the second
			ping(s, 1, 4*minute)
			dead(s)
		}},
		{"strikes do not wear off", cfg, func(s *scene) {
			s.endedRequest(1)
			ping(s, 2, time.Second)
			s.peer.Advance(time.Hour)
			ping(s, 2, time.Second)
			dead(s)
		}},
		{"without streams, two hours", cfg, func(s *scene) {
			ping(s, 3, 2*time.Hour)
			ping(s, 2, time.Hour)
			ping(s, 1, time.Hour)
			dead(s)
		}},
		{"without streams, permitted", Config{Enforcement: Enforcement{MinTime: minute, PermitWithoutStreams: true}},
			func(s *scene) {
				ping(s, 20, minute)
				ping(s, 3, time.Second)
				dead(s)
			}},
		{"HEADERS and DATA of ours forgive all", cfg, func(s *scene) {
			call := s.endedRequest(1)
			ping(s, 3, time.Second)
			call.stream.Send(frame.Outgoing{Headers: responseHeaders()})
			s.peer.WantResponse("response", 1)
			ping(s, 3, time.Second)
			call.stream.Send(message(nil))
			s.peer.WantMessage("message", 1, false, nil)
			ping(s, 3, time.Second)
			dead(s)
		}},
		{"so does WINDOW_UPDATE", cfg, func(s *scene) {
			s.peer.Request(1, "/s/m")
			call := s.served(1)
			ping(s, 3, time.Second)
			call.stream.Consume(defaultWindow)
			synctest.Wait()
			ping(s, 3, time.Second)
			dead(s)
		}},
		{"unlimited", Config{Enforcement: Enforcement{MaxStrikes: -1}}, func(s *scene) {
			ping(s, 100, 0)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { greeted(t, Server, tc.cfg, tc.script) })
	}
}

func TestMaxIdle(t *testing.T) {
	for name, jitter := range map[string]float64{"early": 0, "in between": 0.5, "late": 1} {
		t.Run(name, func(t *testing.T) { testMaxIdle(t, jitter) })
	}
}

// Times without end, as grpc-go's keepalive parameters have them, never come: not now, because of
// an overflow, either.
func TestTimesWithoutEnd(t *testing.T) {
	const forever time.Duration = math.MaxInt64
	cfg := Config{
		MaxIdle: forever, MaxAge: forever, MaxAgeGrace: forever, HandshakeTimeout: forever, HeaderTimeout: forever,
		DrainTimeout: forever, Keepalive: Keepalive{Time: forever, Timeout: forever},
		Enforcement: Enforcement{MinTime: forever}, Jitter: func() float64 { return 1 },
	}
	const year = 365 * 24 * time.Hour
	play(t, Server, cfg, func(s *scene) {
		s.peer.Advance(year)
		s.peer.Greet()
		s.peer.Advance(year)
		s.peer.WantIdle("neither idle nor old")
		s.peer.WriteHeadersRaw(1, false, false, nil)
		s.peer.Advance(year)
		s.peer.WantIdle("the header block may take its time")
	})
}

func testMaxIdle(t *testing.T, jitter float64) {
	cfg := Config{MaxIdle: 10 * time.Minute, Jitter: func() float64 { return jitter }}
	limit := time.Duration(9+2*jitter) * time.Minute
	greeted(t, Server, cfg, func(s *scene) {
		s.peer.Advance(limit - 1)
		s.peer.WantIdle("new, and not idle for long enough")
		call := s.endedRequest(1)
		s.peer.Advance(time.Hour)
		s.peer.WantIdle("a stream is open")
		call.respond()
		s.wantResponse("served", 1)
		s.peer.Advance(limit - 1)
		s.peer.WantIdle("not idle for long enough")
		s.peer.Advance(1)
		s.wantDrain("idle", "max_idle")
		f := s.peer.WantPing("drained, not cut")
		call = s.endedRequest(3)
		s.peer.WritePing(true, [8]byte(f.Payload))
		s.wantGoAwayLast("the last one", 3)
		call.respond()
		s.wantResponse("served", 3)
		s.wantGoAwayLast("done", 3)
	})
}

func TestMaxAge(t *testing.T) {
	for name, jitter := range map[string]float64{"early": 0, "late": 1} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{MaxAge: 100 * time.Second, MaxAgeGrace: 10 * time.Second, Jitter: func() float64 { return jitter }}
			greeted(t, Server, cfg, func(s *scene) {
				call := s.endedRequest(1)
				s.peer.Advance(time.Duration(90+20*jitter)*time.Second - 1)
				s.peer.WantIdle("plus or minus 10 %")
				s.peer.Advance(1)
				s.wantDrain("old", "max_age")
				f := s.peer.WantPing("second step")
				s.peer.WritePing(true, [8]byte(f.Payload))
				s.wantGoAwayLast("second step", 1)
				s.peer.Advance(10*time.Second - 1)
				call.wantOpen("grace")
				s.peer.Advance(1)
				call.wantClosed("the grace is over", frame.ConnLost, 0)
				s.wantGoAwayLast("cut", 1)
				if err := s.ended(); err != nil {
					t.Errorf("OnClosed(%v): it was our own wish", err)
				}
			})
		})
	}
}

// TestKeepaliveIsDropped: the timer is dropped where nothing is to be asked, but not while a PING awaits its
// answer, which needs it.
func TestKeepaliveIsDropped(t *testing.T) {
	for _, tc := range []struct {
		name     string
		awaiting bool
		streams  map[uint32]*Stream
		want     bool
	}{
		{"no stream", false, nil, true},
		{"a stream", false, map[uint32]*Stream{1: {}}, false},
		{"an unanswered PING", true, nil, false},
	} {
		c := &Conn{cfg: &Config{}}
		timer := time.AfterFunc(time.Hour, func() {})
		c.timers.keepalive, c.timers.awaiting, c.streams.table = timer, tc.awaiting, tc.streams
		c.dropKeepaliveLocked()
		if got := c.timers.keepalive == nil; got != tc.want {
			t.Errorf("%s: dropped %v, want %v", tc.name, got, tc.want)
		}
		timer.Stop()
	}
}
