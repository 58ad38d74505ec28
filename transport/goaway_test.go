package transport

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// wantGoAwayLast wants GOAWAY NO_ERROR with that last stream.
func (s *scene) wantGoAwayLast(why string, last uint32) {
	s.Helper()
	if f := s.peer.WantGoAway(why, http2.ErrCodeNo); f.LastStreamID != last {
		s.Fatalf("%s: last stream %d; want %d", why, f.LastStreamID, last)
	}
}

// wantDrain wants the first GOAWAY of a graceful end, and its reason.
func (s *scene) wantDrain(why, reason string) {
	s.Helper()
	f := s.peer.WantGoAway(why, http2.ErrCodeNo)
	if f.LastStreamID != 1<<31-1 || string(f.Payload) != reason {
		s.Fatalf("%s: last stream %d, %q; want %d, %q", why, f.LastStreamID, f.Payload, 1<<31-1, reason)
	}
}

func (p *probe) respond() {
	p.stream.Send(frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()})
}

func (s *scene) wantResponse(why string, id uint32) {
	s.Helper()
	s.peer.WantResponse(why, id)
	s.peer.WantTrailers(why, id, 0)
}

func (s *scene) endedRequest(id uint32) *probe {
	s.Helper()
	s.peer.Request(id, "/s/m")
	s.peer.WriteData(id, true, nil)
	return s.served(id)
}

func TestServerDrain(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		before := s.endedRequest(1)
		s.conn.Drain()
		s.conn.Drain()
		s.wantDrain("first step: stop, but what is under way is served", "graceful shutdown")
		ping := s.peer.WantPing("its answer shows that GOAWAY was seen, so it follows GOAWAY")
		between := s.endedRequest(3)
		s.peer.WritePing(true, [8]byte(ping.Payload))
		s.wantGoAwayLast("second step", 3)
		s.peer.Request(5, "/s/m")
		s.wantServed("after it, requests are dropped", 2)
		s.peer.WriteData(5, false, []byte("x"))
		s.peer.WriteData(5, true, nil)
		s.peer.Request(7, "/s/m")
		s.peer.WriteHeaders(7, true, "trailer", "x")
		s.wantAlive("silently, with all that belongs to them (RFC 9113 section 6.8)")
		before.respond()
		s.wantResponse("streams in progress go on", 1)
		s.wantAlive("until the last has ended")
		between.respond()
		s.wantResponse("also the one between", 3)
		s.wantGoAwayLast("the last stream identifier never grows", 3)
		s.peer.WantClosed("nothing left to do")
		before.wantClean("served")
		between.wantClean("served")
		if err := s.ended(); err != nil {
			t.Errorf("OnClosed(%v) after a drain", err)
		}
	})
}

// TestServerDrainTakesWhatComesWithTheAnswer: C-core opens streams after it has answered the PING. They
// come in the same write, before the second GOAWAY goes out.
func TestServerDrainTakesWhatComesWithTheAnswer(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.conn.Drain()
		s.wantGoAwayLast("first step", 1<<31-1)
		ping := s.peer.WantPing("for the second")
		var once bytes.Buffer
		f := http2.NewFramer(&once, nil)
		_ = f.WritePing(true, [8]byte(ping.Payload)) // a buffer takes everything
		_ = f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: s.peer.EncodeHeaders(
				":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a", "te", "trailers",
				"content-type", "application/grpc"),
		})
		s.peer.WriteBytes(once.Bytes())
		s.wantGoAwayLast("second step: nothing that was read is refused", 1)
		call := s.served(1)
		s.peer.Request(3, "/s/m")
		s.wantServed("after it, requests are dropped", 1)
		call.respond()
		s.wantResponse("served", 1)
		s.wantGoAwayLast("the end", 1)
		s.peer.WantClosed("drained")
		call.wantClean("served")
	})
}

func TestServerDrainTimeout(t *testing.T) {
	greeted(t, Server, Config{DrainTimeout: 3 * time.Second}, func(s *scene) {
		call := s.endedRequest(1)
		s.conn.Drain()
		s.wantGoAwayLast("first step", 1<<31-1)
		s.peer.WantPing("for the second")
		s.peer.Advance(3*time.Second - 1)
		s.peer.WantIdle("the answer may still come")
		s.peer.Advance(1)
		s.wantGoAwayLast("a client that does not answer cannot hold it up", 1)
		call.respond()
		s.wantResponse("served", 1)
		s.wantGoAwayLast("the end", 1)
		s.peer.WantClosed("drained")
	})
}

func TestServerDrainIdle(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.conn.Drain()
		s.wantGoAwayLast("first step", 1<<31-1)
		ping := s.peer.WantPing("for the second")
		s.peer.WritePing(true, [8]byte(ping.Payload))
		s.wantGoAwayLast("second step, perhaps one with the end", 0)
		s.peer.Ignore(http2.FrameGoAway)
		s.peer.WantClosed("no stream, no reason to stay")
	})
}

func TestServerDrainInHandshake(t *testing.T) {
	play(t, Server, Config{}, func(s *scene) {
		s.conn.Drain()
		s.peer.WantSettings("first")
		s.peer.Ignore(http2.FrameWindowUpdate)
		s.wantDead("there is nothing to wait for", http2.ErrCodeNo)
	})
}

// TestServerDrainOfReset: the last stream ends by a reset.
func TestServerDrainOfReset(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.endedRequest(1)
		s.conn.Drain()
		s.wantGoAwayLast("first step", 1<<31-1)
		ping := s.peer.WantPing("for the second")
		s.peer.WritePing(true, [8]byte(ping.Payload))
		s.wantGoAwayLast("second step", 1)
		s.peer.WriteRST(1, http2.ErrCodeCancel)
		s.wantGoAwayLast("the end", 1)
		s.peer.WantClosed("drained")
	})
}

func TestClientGoAway(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		kept, refused, waiting := s.open(frame.Outgoing{}), s.open(frame.Outgoing{}), s.open(frame.Outgoing{})
		unsent := s.unopened()
		s.peer.WantHeaders("first", 1, false)
		s.peer.WantHeaders("second", 3, false)
		s.peer.WantIdle("two at a time")
		s.peer.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, "too_many_pings")
		if n := s.drains(); n != 1 {
			t.Errorf("OnDrain came %d times", n)
		}
		var ga *GoAwayError
		if err := s.handler.drained[0]; !errors.As(err, &ga) || ga.Code != frame.EnhanceYourCalm || ga.LastID != 1 ||
			ga.Debug != "too_many_pings" {
			t.Errorf("OnDrain(%v)", err)
		}
		if err := refused.wantClosed("not processed", frame.GoneAway, frame.EnhanceYourCalm); !err.Unprocessed || err.Unsent {
			t.Errorf("second: %+v", err)
		}
		if err := waiting.wantClosed("not even sent", frame.ConnLost, 0); !err.Unprocessed || !err.Unsent {
			t.Errorf("third: %+v", err)
		}
		kept.wantOpen("the server goes on with it")
		if _, err := s.conn.NewStream(kept); !errors.Is(err, ErrDraining) {
			t.Errorf("NewStream: %v", err)
		}
		unsent.stream.Send(frame.Outgoing{Headers: requestHeaders()})
		if err := unsent.wantClosed("made before, sent after", frame.ConnLost, 0); !err.Unsent {
			t.Errorf("fourth: %+v", err)
		}
		s.peer.WriteGoAway(1, http2.ErrCodeNo, "again")
		if n := s.drains(); n != 1 {
			t.Errorf("OnDrain came %d times", n)
		}
		s.peer.TrailersOnly(1, 0)
		kept.wantClean("served")
		s.peer.Ignore(http2.FrameRSTStream) // its request had not ended
		s.wantDead("with the last stream, the connection", http2.ErrCodeNo)
		if err := s.ended(); err != nil {
			t.Errorf("OnClosed(%v)", err)
		}
	}, set(http2.SettingMaxConcurrentStreams, 2))
}

// TestRefusalSaysWhy: whoever asks a draining connection for a stream may do so before OnDrain has told the
// reason, and learns it from the refusal.
func TestRefusalSaysWhy(t *testing.T) {
	cut := errors.New("cable cut")
	for _, row := range []struct {
		name  string
		end   func(s *scene)
		isWhy func(err error) bool
	}{
		{"GOAWAY", func(s *scene) {
			s.peer.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, "too_many_pings")
		}, func(err error) bool {
			said, ok := errors.AsType[*GoAwayError](err)
			return ok && said.Debug == "too_many_pings"
		}},
		{"write", func(s *scene) {
			s.near.FailWrite(cut)
			s.conn.Ping(func(time.Duration, error) {})
		}, func(err error) bool { return errors.Is(err, cut) }},
		{"drain", func(s *scene) { s.conn.Drain() }, func(err error) bool { return err == ErrDraining }},
	} {
		t.Run(row.name, func(t *testing.T) {
			greeted(t, Client, Config{}, func(s *scene) {
				s.open(frame.Outgoing{})
				unsent := s.unopened()
				row.end(s)
				synctest.Wait()
				if _, err := s.conn.NewStream(unsent); !errors.Is(err, ErrDraining) || !row.isWhy(err) {
					t.Errorf("NewStream: %v", err)
				}
				unsent.stream.Send(frame.Outgoing{Headers: requestHeaders()})
				err := unsent.wantClosed("made before, sent after", frame.ConnLost, 0)
				if !err.Unsent || !errors.Is(err, ErrDraining) || !row.isWhy(err.Err) {
					t.Errorf("Send: %+v", err)
				}
			})
		})
	}
}

// TestClientTwoStepGoAway: the last identifier shrinks.
func TestClientTwoStepGoAway(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		a, b := s.open(frame.Outgoing{End: true}), s.open(frame.Outgoing{End: true})
		s.peer.WriteGoAway(1<<31-1, http2.ErrCodeNo, "graceful shutdown")
		a.wantOpen("all go on")
		b.wantOpen("all go on")
		s.peer.WriteGoAway(1, http2.ErrCodeNo, "")
		if err := b.wantClosed("not this one", frame.GoneAway, frame.NoError); !err.Unprocessed {
			t.Errorf("%+v", err)
		}
		s.peer.TrailersOnly(1, 0)
		a.wantClean("served")
	})
}

// A server may close its socket once it has written the end of the last stream, and what a client says after that
// destroys what of it is still on the way. So after GOAWAY a client says all that it will have to at once.
func TestClientIsQuietAfterGoAway(t *testing.T) {
	play(t, Client, Config{}, func(s *scene) {
		s.handler.hold = true
		s.peer.Greet()
		call := s.open(frame.Outgoing{End: true})
		s.peer.WantHeaders("a request", 1, true)
		call.stream.Consume(8 << 20)
		s.peer.WantWindowUpdate("room for the message", 1, 8<<20)
		s.peer.WantWindowUpdate("and on the connection", 0, 7<<20+65535)
		s.peer.Response(1)
		s.peer.WriteGoAway(1<<31-1, http2.ErrCodeNo, "graceful shutdown")
		s.peer.WantWindowUpdate("twice MaxWindow", 0, 24<<20-65535)
		s.peer.WriteGoAway(1, http2.ErrCodeNo, "")
		for range 8<<20/minFrameSize - 1 {
			s.peer.WriteData(1, false, make([]byte, minFrameSize))
			s.wait()
		}
		s.peer.WantIdle("neither a PING that measures nor WINDOW_UPDATE")
		s.peer.Trailers(1, 0)
		call.wantClean("served")
	})
}

// TestClientGoAwayThenClosed: the server leaves as it should, with no stream open.
func TestClientGoAwayThenClosed(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		call := s.open(frame.Outgoing{End: true})
		s.peer.WriteGoAway(1, http2.ErrCodeNo, "")
		s.peer.Close()
		call.wantClosed("cut off", frame.ConnLost, 0)
		if err := s.ended(); err == nil {
			t.Error("OnClosed(nil), but a stream was cut off")
		}
	})
}

// TestLostAfterGoAway: streams that were to go on after GOAWAY, and are lost with their connection,
// are told what the GOAWAY said.
func TestLostAfterGoAway(t *testing.T) {
	aged := func(p *h2peer.Peer) { p.WriteGoAway(1<<31-1, http2.ErrCodeNo, "max_age") }
	for name, test := range map[string]struct {
		goodbye func(p *h2peer.Peer)
		want    GoAwayError
	}{
		"at once": {func(p *h2peer.Peer) { p.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, "too_many_pings") },
			GoAwayError{frame.EnhanceYourCalm, 1, "too_many_pings"}},
		"without a word": {func(p *h2peer.Peer) { p.WriteGoAway(1, http2.ErrCodeNo, "") }, GoAwayError{LastID: 1}},
		"when the grace is over": {func(p *h2peer.Peer) {
			aged(p)
			p.WriteGoAway(1, http2.ErrCodeNo, "")
			p.WriteGoAway(1, http2.ErrCodeNo, "")
		}, GoAwayError{frame.NoError, 1, "max_age"}},
		"because of a fault": {func(p *h2peer.Peer) {
			aged(p)
			p.WriteGoAway(1, http2.ErrCodeProtocol, "")
		}, GoAwayError{frame.ProtocolError, 1, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			greeted(t, Client, Config{}, func(s *scene) {
				call := s.open(frame.Outgoing{End: true})
				s.peer.WantHeaders("a request", 1, true)
				test.goodbye(s.peer)
				call.wantOpen("it was accepted")
				s.peer.Close()
				err := call.wantClosed("cut off", frame.ConnLost, 0)
				var said *GoAwayError
				if !errors.Is(err, ErrPeerClosed) || !errors.As(err, &said) || *said != test.want {
					t.Errorf("got %v; want %v in it", err, &test.want)
				}
			})
		})
	}
}

func TestClientDrain(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		running, waiting := s.open(frame.Outgoing{End: true}), s.open(frame.Outgoing{End: true})
		s.peer.WantHeaders("one at a time", 1, true)
		s.conn.Drain()
		if err := waiting.wantClosed("opened no more", frame.ConnLost, 0); !err.Unsent || !errors.Is(err, ErrDraining) {
			t.Errorf("%+v", err)
		}
		running.wantOpen("in progress")
		s.wantAlive("a client has nothing to announce")
		s.peer.TrailersOnly(1, 0)
		running.wantClean("served")
		s.wantDead("and then it leaves", http2.ErrCodeNo)
		if n := s.drains(); n != 0 {
			t.Error("OnDrain is for what others decide")
		}
	}, set(http2.SettingMaxConcurrentStreams, 1))
}

// TestClientLeaves: a client that has sent GOAWAY still gets what it asked for.
func TestClientLeaves(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		call := s.endedRequest(1)
		s.peer.WriteGoAway(0, http2.ErrCodeNo, "bye")
		s.wantAlive("a request is still open")
		call.respond()
		s.wantResponse("and served", 1)
	})
}

// TestClientHasLeft: a client that says so and closes, with nothing under way, is no failure of the connection. Servers
// see that whenever a channel is closed, and log failures.
func TestClientHasLeft(t *testing.T) {
	for name, test := range map[string]struct {
		code   http2.ErrCode
		isOpen bool
		isDone bool
	}{
		"with nothing under way": {code: http2.ErrCodeNo, isDone: true},
		"with a request open":    {code: http2.ErrCodeNo, isOpen: true},
		"because of a fault":     {code: http2.ErrCodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, nil))
			greeted(t, Server, Config{Logger: logger}, func(s *scene) {
				call := s.endedRequest(1)
				if !test.isOpen {
					call.respond()
					s.wantResponse("served", 1)
				}
				s.peer.WriteGoAway(0, test.code, "")
				s.peer.Close()
				if err := s.ended(); (err == nil) != test.isDone {
					t.Errorf("OnClosed(%v)", err)
				}
				if log.Len() == 0 != test.isDone {
					t.Errorf("logged %q", log.String())
				}
			})
		})
	}
}

func TestStreamIdentifiersRunOut(t *testing.T) {
	greeted(t, Client, Config{FirstStreamID: 1<<31 - 3}, func(s *scene) {
		first, last := s.open(frame.Outgoing{End: true}), s.unopened()
		s.peer.WantHeaders("last but one", 1<<31-3, true)
		s.peer.WantIdle("one identifier is left")
		late := s.unopened()
		last.stream.Send(frame.Outgoing{Headers: requestHeaders(), End: true})
		s.peer.WantHeaders("the last one (RFC 9113 section 5.1.1)", 1<<31-1, true)
		if n := s.drains(); n != 1 {
			t.Fatalf("OnDrain came %d times", n)
		}
		late.stream.Send(frame.Outgoing{Headers: requestHeaders(), End: true})
		if err := late.wantClosed("too late", frame.ConnLost, 0); !err.Unsent {
			t.Errorf("%+v", err)
		}
		if _, err := s.conn.NewStream(late); !errors.Is(err, ErrDraining) {
			t.Errorf("NewStream: %v", err)
		}
		s.peer.TrailersOnly(1<<31-3, 0)
		s.peer.TrailersOnly(1<<31-1, 0)
		first.wantClean("served")
		last.wantClean("served")
		s.wantDead("nothing left to do", http2.ErrCodeNo)
	})
}

// TestStreamIdentifiersRunOutInQueue: more streams wait than there are identifiers left.
func TestStreamIdentifiersRunOutInQueue(t *testing.T) {
	greeted(t, Client, Config{FirstStreamID: 1<<31 - 1}, func(s *scene) {
		a, b := s.unopened(), s.unopened()
		a.stream.Send(frame.Outgoing{Headers: requestHeaders(), End: true})
		b.stream.Send(frame.Outgoing{Headers: requestHeaders(), End: true})
		s.peer.WantHeaders("the last one", 1<<31-1, true)
		if err := b.wantClosed("no identifier", frame.ConnLost, 0); !err.Unsent || !errors.Is(err, errExhausted) &&
			!errors.Is(err, ErrDraining) {
			t.Errorf("%+v", err)
		}
		a.wantOpen("in progress")
	})
}

func TestMaxConcurrentStreamsQueue(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		var calls []*probe
		for range 4 {
			calls = append(calls, s.open(frame.Outgoing{End: true}))
		}
		s.peer.WantHeaders("one slot", 1, true)
		s.peer.WantIdle("the others wait (RFC 9113 section 5.1.2)")
		calls[1].stream.Reset(frame.Cancel)
		s.peer.WantIdle("a stream that was never opened needs no reset")
		s.peer.TrailersOnly(1, 0)
		s.peer.WantHeaders("the next", 3, true)
		if id := calls[2].stream.ID(); id != 3 {
			t.Errorf("the third stream has identifier %d", id)
		}
		s.peer.WriteSettings(set(http2.SettingMaxConcurrentStreams, 2))
		s.peer.WantSettingsAck("more room")
		s.peer.WantHeaders("the last", 5, true)
		if _, came := calls[1].close(); came {
			t.Error("OnClosed after the owner's Reset")
		}
	}, set(http2.SettingMaxConcurrentStreams, 1))
}

// TestObstacle: only a stream that waits because the server allows no more meets one.
func TestObstacle(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		opened, waiting, unsent := s.open(frame.Outgoing{}), s.open(frame.Outgoing{}), s.unopened()
		for name, p := range map[string]*probe{"opened": opened, "not sent": unsent} {
			if err := p.stream.Obstacle(); err != nil {
				t.Errorf("a stream that is %s: %v", name, err)
			}
		}
		if err := waiting.stream.Obstacle(); err == nil || !strings.HasSuffix(err.Error(), "are in use: 1") {
			t.Errorf("a stream that waits: %v", err)
		}
		if got, open := s.conn.Load(), s.conn.NumStreams(); got != 2 || open != 1 {
			t.Errorf("the load is %d with %d open; want that which waits to be counted", got, open)
		}
		opened.stream.Reset(frame.Cancel)
		s.wait()
		if got := s.conn.Load(); got != 1 {
			t.Errorf("the load is %d when one has ended; want 1", got)
		}
		if err := waiting.stream.Obstacle(); err != nil {
			t.Errorf("when it has been opened: %v", err)
		}
	}, set(http2.SettingMaxConcurrentStreams, 1))
}

func TestCloseEndsEverything(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		running, waiting, unsent := s.open(frame.Outgoing{}), s.open(frame.Outgoing{}), s.unopened()
		cause := errors.New("the channel is closed")
		var pinged error
		s.conn.Ping(func(_ time.Duration, err error) { pinged = err })
		s.conn.CloseWith(cause)
		if err := running.wantClosed("closed", frame.ConnLost, 0); err.Unprocessed || !errors.Is(err, cause) {
			t.Errorf("running: %+v", err)
		}
		if err := waiting.wantClosed("closed", frame.ConnLost, 0); !err.Unsent || !errors.Is(err, cause) {
			t.Errorf("waiting: %+v", err)
		}
		unsent.stream.Send(frame.Outgoing{Headers: requestHeaders()})
		if err := unsent.wantClosed("closed", frame.ConnLost, 0); !err.Unsent || !errors.Is(err, cause) {
			t.Errorf("unsent: %+v", err)
		}
		if !errors.Is(pinged, cause) {
			t.Errorf("PING: %v", pinged)
		}
		if _, err := s.conn.NewStream(running); !errors.Is(err, cause) {
			t.Errorf("NewStream: %v", err)
		}
		running.stream.Send(message([]byte("x")))
		running.stream.Consume(1 << 20)
		running.stream.Reset(frame.Cancel)
	}, set(http2.SettingMaxConcurrentStreams, 1))
}

// TestCloseInsideOnStream: the connection ends before the request has a receiver, or just after.
func TestCloseInsideOnStream(t *testing.T) {
	for name, hook := range map[string]func(s *scene){
		"before Accept": func(s *scene) { s.handler.arriving = s.conn.Close },
		"after Accept":  func(s *scene) { s.handler.onStream = func(*probe) { s.conn.Close() } },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, Server, Config{}, func(s *scene) {
				s.peer.Greet()
				hook(s)
				s.peer.Request(1, "/s/m")
				s.served(1).wantClosed("its receiver is told", frame.ConnLost, 0)
			})
		})
	}
}

// TestLinger: a peer that goes on sending gets the GOAWAY and an orderly end, not
// a reset by TCP, and cannot keep the connection from ending.
func TestLinger(t *testing.T) {
	greeted(t, Server, Config{LingerTimeout: 2 * time.Second}, func(s *scene) {
		s.peer.WriteData(1, false, []byte("idle stream"))
		for range 10 {
			s.peer.WritePing(false, [8]byte{})
		}
		s.peer.WantGoAway("why", http2.ErrCodeProtocol)
		s.peer.WantClosed("and no more")
		for range 4 {
			time.Sleep(499 * time.Millisecond) // fake clock
			s.peer.WritePing(false, [8]byte{})
			synctest.Wait()
			if s.isOver() {
				t.Fatal("closed while the peer may still be reading")
			}
		}
		time.Sleep(5 * time.Millisecond) // fake clock
		if !s.isOver() {
			t.Error("still open after LingerTimeout")
		}
	})
}

// TestLingerOverTCP: a close with input unread would make TCP drop the GOAWAY.
func TestLingerOverTCP(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	far, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHandler()
	c := New(Server, near, Config{}, h)
	p := h2peer.New(t, far, h2peer.Client)
	p.Ignore(http2.FrameWindowUpdate)
	p.Greet()
	p.WriteData(1, false, []byte("idle stream"))
	for range 200 {
		p.WriteData(1, false, make([]byte, 4096))
	}
	p.WantGoAway("it gets through to a peer that goes on sending", http2.ErrCodeProtocol)
	p.Close()
	if err := <-h.closed; err == nil {
		t.Error("OnClosed(nil)", c)
	}
}

// TestPipesAreClosedAtOnce: the ends of a pipe that cannot be half-closed, such as net.Pipe, do not
// wait for each other, and the last GOAWAY still arrives.
func TestPipesAreClosedAtOnce(t *testing.T) {
	for side, closer := range map[string]func(client, server *Conn){
		"client": func(client, _ *Conn) { client.Close() },
		"server": func(_, server *Conn) { server.Close() },
		"both":   func(client, server *Conn) { client.Close(); server.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			ch, sh := newTestHandler(), newTestHandler()
			client, server := New(Client, near, Config{}, ch), New(Server, far, Config{}, sh)
			<-ch.ready
			<-sh.ready
			began := time.Now()
			closer(client, server)
			errClient, errServer := <-ch.closed, <-sh.closed
			if d := time.Since(began); d != 0 {
				t.Errorf("%s closes: it takes %v", side, d)
			}
			first := errClient // the end of its connection may come before the other's Close
			if side == "server" {
				first = errServer
			}
			if first != nil {
				t.Errorf("%s closes: OnClosed(%v), OnClosed(%v)", side, errClient, errServer)
			}
		})
	}
}

// noDeadlines is a connection without deadlines, like one through SSH.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (noDeadlines) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (noDeadlines) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
func (c noDeadlines) CloseWrite() error              { return c.Conn.(*memconn.Conn).CloseWrite() }

// sealed is such a connection below TLS, which says that it is closed before it is.
type sealed struct{ noDeadlines }

func (c sealed) NetConn() net.Conn { return c.Conn }

func (c sealed) Close() error {
	_, _ = c.Write([]byte("alert"))
	return c.Conn.Close()
}

// TestEndWithoutDeadlines: a connection without deadlines ends all the same.
func TestEndWithoutDeadlines(t *testing.T) {
	for name, end := range map[string]func(c *Conn, near, far *memconn.Conn){
		"the peer says nothing": func(c *Conn, _, _ *memconn.Conn) { c.Close() },
		"the peer takes nothing": func(c *Conn, near, far *memconn.Conn) {
			near.SetWriteLimit(1)
			far.Stall()
			c.Close()
		},
		"nothing can be written": func(c *Conn, near, _ *memconn.Conn) {
			near.FailWrite(io.ErrClosedPipe)
			c.Ping(func(time.Duration, error) {})
		},
	} {
		for _, isSealed := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				leak.Check(t)
				near, far := memconn.Pipe()
				defer far.Close()
				var nc net.Conn = noDeadlines{near}
				if isSealed {
					nc = sealed{noDeadlines{near}}
				}
				h := newTestHandler()
				c := New(Client, nc, Config{}, h)
				synctest.Wait()
				end(c, near, far)
				select {
				case <-h.closed:
				case <-time.After(time.Minute): // fake clock
					t.Errorf("%s, sealed %v: not closed", name, isSealed)
					_ = near.Close()
				}
			})
		}
	}
}

// empty is a connection whose Read returns nothing, and no error, when isEmpty is set.
type empty struct {
	net.Conn
	isEmpty atomic.Bool
	reads   int // once isEmpty is set
}

func (c *empty) Read(p []byte) (int, error) {
	if !c.isEmpty.Load() || c.reads == 1e6 {
		return c.Conn.Read(p)
	}
	c.reads++
	return 0, nil
}

// TestEndOfEmptyReads: a Read that brings nothing, again and again, does not keep a connection busy
// at its end.
func TestEndOfEmptyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memconn.Pipe()
		defer far.Close()
		nc := &empty{Conn: near}
		h := newTestHandler()
		c := New(Server, nc, Config{}, h)
		p := h2peer.New(t, far, h2peer.Client)
		p.Greet()
		nc.isEmpty.Store(true)
		p.WritePing(false, [8]byte{})
		if err := <-h.closed; !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("OnClosed(%v); %v", err, c)
		}
		if nc.reads > 1000 {
			t.Errorf("%d empty reads", nc.reads)
		}
	})
}

// TestGoAwayReachesHalfClosedPeer: the peer has sent its last byte, and reads.
func TestGoAwayReachesHalfClosedPeer(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.peer.WriteData(1, false, []byte("idle stream"))
		s.far.CloseWrite()
		s.wantDead("GOAWAY comes before the end", http2.ErrCodeProtocol)
	})
}

// TestStalledPeer: the peer reads nothing at all; what is local still works.
func TestStalledPeer(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		s.near.SetWriteLimit(10)
		s.far.Stall()
		stuck, other := s.open(message(make([]byte, 1000))), s.open(message(make([]byte, 1000)))
		stuck.wantSent("held back by the socket", frame.Sent{})
		stuck.stream.Reset(frame.Cancel)
		s.conn.Close()
		other.wantClosed("closed", frame.ConnLost, 0)
		if err := s.ended(); err != nil {
			t.Errorf("OnClosed(%v)", err)
		}
	})
}

// TestLostConnection: the wire breaks, at several points.
func TestLostConnection(t *testing.T) {
	for _, tc := range []struct {
		name  string
		reach func(s *scene)
	}{
		{"idle", func(s *scene) {}},
		{"inside a frame", func(s *scene) { s.peer.WriteBytes([]byte{0, 0, 9, 0, 0}) }},
		{"inside DATA", func(s *scene) { s.peer.Response(1); s.peer.WriteBytes([]byte{0, 0, 9, 0, 0, 0, 0, 0, 1, 'x'}) }},
		{"inside a header block", func(s *scene) { s.peer.WriteHeadersRaw(1, false, false, []byte{0x88}) }},
		{"after the response's headers", func(s *scene) { s.peer.Response(1) }},
		{"while the socket is full", func(s *scene) {
			s.near.SetWriteLimit(10)
			s.far.Stall()
			s.open(message(make([]byte, 100)))
		}},
	} {
		for how, end := range map[string]func(*scene){
			"fails":  func(s *scene) { s.near.Fail(errWire) },
			"closes": func(s *scene) { s.far.Resume(); s.peer.Close() },
		} {
			t.Run(tc.name+", "+how, func(t *testing.T) {
				greeted(t, Client, Config{}, func(s *scene) {
					call := s.open(message([]byte("half")))
					tc.reach(s)
					synctest.Wait()
					end(s)
					call.wantClosed("lost", frame.ConnLost, 0)
					err := s.ended()
					if err == nil || how == "fails" && !errors.Is(err, errWire) {
						t.Errorf("OnClosed(%v)", err)
					}
				})
			})
		}
	}
}

// TestWriteFailsWithAnswerWaiting: the server has answered, said goodbye and
// closed; our next write fails before the answer is read.
func TestWriteFailsWithAnswerWaiting(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		answered, cut := s.open(frame.Outgoing{}), s.open(frame.Outgoing{})
		s.near.Stall()
		s.peer.TrailersOnly(1, 0)
		s.peer.WriteGoAway(3, http2.ErrCodeNo, "bye")
		s.near.FailWrite(errWire)
		answered.stream.Send(message([]byte("to nobody")))
		synctest.Wait()
		if s.isOver() || s.drains() != 1 {
			t.Fatal("given up with the answer unread, or still open for more")
		}
		s.near.Resume()
		answered.wantClean("the answer counts")
		cut.wantOpen("nothing is known of it yet")
		time.Sleep(s.conn.cfg.LingerTimeout) // fake clock
		if err := cut.wantClosed("the connection is dead", frame.ConnLost, 0); !errors.Is(err, errWire) {
			t.Errorf("%v", err)
		}
		if err := s.ended(); !errors.Is(err, errWire) {
			t.Errorf("OnClosed(%v)", err)
		}
	})
}

// TestGoAwayErrorText: without debug data nothing is quoted.
func TestGoAwayErrorText(t *testing.T) {
	for want, err := range map[string]GoAwayError{
		`GOAWAY NO_ERROR, last stream 1`:            {LastID: 1},
		`GOAWAY NO_ERROR, last stream 1, "max_age"`: {LastID: 1, Debug: "max_age"},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
}

// A client that goes on saying that it leaves must not have an error put into words each time.
func TestGoAwaysOfAClientCostLittle(t *testing.T) {
	near, far := memconn.Pipe()
	defer near.Close()
	defer far.Close()
	c := &Conn{side: Server, nc: far, cfg: &NewSetup(Server, Config{Budgets: Budgets{Glitches: Budget{Burst: -1}}}).cfg}
	f := &frame.Frame{Type: http2.FrameGoAway, ErrCode: frame.InternalError, Debug: []byte("bye")}
	once := func() {
		if err := c.onGoAway(f); err != nil {
			t.Error(err)
		}
	}
	if n := testing.AllocsPerRun(100, once); n > 2 {
		t.Errorf("a GOAWAY allocates %v times; want at most 2: the error and its text", n)
	}
}
