package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/transport"
)

// disappearing_server: calls in progress go on after GOAWAY, the next call
// goes to a new connection.
func TestGoAwayMovesLaterCalls(t *testing.T) {
	play(t, func(s *scene) {
		old := s.connected()
		inProgress := s.unary(s.Context(), "1")
		wantCall(old, "on the first connection", 1, unaryMethod.Name, "1")
		old.WriteGoAway(1, http2.ErrCodeNo, "restarting")
		s.wantState("drained", Idle)
		next := s.unary(s.Context(), "2")
		p := s.server("the next call connects")
		wantCall(p, "on the second connection", 1, unaryMethod.Name, "2")
		answer(p, 1, "two")
		s.wantOK("answered by the second server", next, "two")
		answer(old, 1, "one")
		s.wantOK("answered by the first server", inProgress, "one")
		old.WantGoAway("with its last stream the old connection ends", http2.ErrCodeNo)
		old.WantClosed("with its last stream the old connection ends")
		s.wantState("that is no news", Ready)
		s.wantDials("no more than needed", 0, lasting)
	})
}

// Close also ends calls on connections that take no more calls.
func TestCloseEndsCallsAfterGoAway(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "1")
		wantCall(p, "sent", 1, unaryMethod.Name, "1")
		p.WriteGoAway(1, http2.ErrCodeNo, "restarting")
		s.wantState("drained", Idle)
		s.ch.Close()
		s.wantFailed("closed", r, cqrpc.CodeUnavailable, "channel is closed")
	})
}

// A connection may be lost before it is ready, to writes, although the server's SETTINGS can be read:
// calls are told why.
func TestWriteThatFailsBeforeTheConnectionIsReady(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		near, far := memconn.Pipe()
		near.FailWrite(errors.New("cable cut"))
		_, err := far.Write([]byte{0, 0, 0, byte(http2.FrameSettings), 0, 0, 0, 0, 0})
		return near, err
	}
	play(t, func(s *scene) {
		r := s.unary(s.Context(), "a")
		s.advance(2 * time.Second) // what else the server may have said is waited for
		s.wantFailed("no server", r, cqrpc.CodeUnavailable, "cable cut")
	}, WithDialer(dial))
}

// A stream above GOAWAY's last identifier was not processed: the call is
// repeated elsewhere, without being asked (RFC 9113 section 8.7).
func TestGoAwayRepeatsUnprocessedCalls(t *testing.T) {
	play(t, func(s *scene) {
		old := s.connected()
		first, second := s.unary(s.Context(), "1"), s.unary(s.Context(), "2")
		wantCall(old, "sent", 1, unaryMethod.Name, "1")
		wantCall(old, "sent", 3, unaryMethod.Name, "2")
		old.WriteGoAway(1, http2.ErrCodeNo, "")
		p := s.server("the second call is repeated")
		wantCall(p, "whole", 1, unaryMethod.Name, "2")
		answer(p, 1, "two")
		s.wantOK("answered by the second server", second, "two")
		s.wantPending("stream 1 is within GOAWAY's limit", first)
		old.TrailersOnly(1, 5)
		s.wantFailed("answered by the first server", first, cqrpc.CodeNotFound)
	})
}

// A stream refused twice is not repeated again.
func TestUnprocessedCallIsRepeatedOnce(t *testing.T) {
	for name, script := range map[string]func(s *scene){
		"REFUSED_STREAM": func(s *scene) {
			p := s.connected()
			r := s.unary(s.Context(), "a")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			p.WriteRST(1, http2.ErrCodeRefusedStream)
			wantCall(p, "repeated on the connection", 3, unaryMethod.Name, "a")
			p.WriteRST(3, http2.ErrCodeRefusedStream)
			p.WantIdle("once")
			s.wantFailed("refused twice", r, cqrpc.CodeUnavailable, "REFUSED_STREAM")
		},
		"GOAWAY": func(s *scene) {
			p := s.connected()
			r := s.unary(s.Context(), "a")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			p.WriteGoAway(0, http2.ErrCodeNo, "")
			p = s.server("repeated on another connection")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			s.advance(lasting)
			p.WriteGoAway(0, http2.ErrCodeNo, "out of order")
			s.wantFailed("refused twice", r, cqrpc.CodeUnavailable, "GOAWAY", "out of order")
			s.wantDials("once", 0, lasting)
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

// What never left the process may be repeated without limit.
func TestUnsentCallIsRepeatedWithoutLimit(t *testing.T) {
	play(t, func(s *scene) {
		none := http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}
		p := s.connected(none)
		r := s.unary(s.Context(), "a")
		for range 10 {
			p.WantIdle("the server takes no streams")
			p.WriteGoAway(0, http2.ErrCodeNo, "")
			p.Close()
			p = s.server("the call connects again", none)
			s.advance(lasting)
		}
		s.wantPending("never sent", r)
		p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		p.WantSettingsAck("granted")
		wantCall(p, "sent at last", 1, unaryMethod.Name, "a")
		answer(p, 1, "b")
		s.wantOK("answered", r, "b")
	})
}

// A call the server may have acted on is not repeated.
func TestLostConnectionFailsCalls(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a", WithWaitForReady(true))
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.Close()
		s.wantFailed("lost", r, cqrpc.CodeUnavailable, "connection to server", "closed by the peer")
		s.wantDials("nobody wants a connection now", 0)
	})
}

// The server's reason is in the error of a call that it has cut off.
func TestGoAwaySaysWhyTheConnectionWasLost(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.WriteGoAway(1, http2.ErrCodeNo, "max_age")
		s.wantPending("it may go on", r)
		p.Close()
		s.wantFailed("the grace is over", r, cqrpc.CodeUnavailable, "closed by the peer after GOAWAY NO_ERROR", "max_age")
	})
}

func TestRefusalAfterHeadersIsNotRepeated(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		p.Response(1)
		p.WriteRST(1, http2.ErrCodeRefusedStream)
		s.wantFailed("the server had begun to answer", r, cqrpc.CodeUnavailable)
		p.WantIdle("no second attempt")
	})
}

// serveEvery serves every connection from now on, each on its own goroutine,
// until the test ends.
func (s *scene) serveEvery(serve func(net.Conn)) {
	go func() {
		for {
			nc, err := s.net.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
}

// The back-off bounds attempts also where connecting succeeds, if what comes of
// it does not last.
func TestServerThatHangsUpIsNotCalledInALoop(t *testing.T) {
	greet := func(nc net.Conn, then func(*http2.Framer)) {
		f := http2.NewFramer(nc, nil)
		if f.WriteSettings() == nil && then != nil {
			then(f)
		}
		time.Sleep(10 * time.Millisecond) // fake clock
		nc.Close()
	}
	for name, serve := range map[string]func(net.Conn){
		"at once":            func(nc net.Conn) { nc.Close() },
		"after the greeting": func(nc net.Conn) { greet(nc, nil) },
		"with GOAWAY": func(nc net.Conn) {
			greet(nc, func(f *http2.Framer) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.serveEvery(serve)
				go func() { // somebody who wants a connection all the time
					for s.ch.State() != Shutdown {
						_ = s.ch.AwaitReady(s.Context())
						time.Sleep(time.Millisecond) // fake clock
					}
				}()
				r := s.unary(s.Context(), "a", WithWaitForReady(true), WithDeadline(time.Now().Add(time.Minute)))
				s.advance(time.Minute)
				if n := len(s.attempts()); n < 5 || n > 9 { // 1 + 1.6 + 2.56 + … s
					s.Errorf("%d attempts in a minute: %v", n, s.attempts())
				}
				if r.ended(); r.err == nil {
					s.Error("a call succeeded without a server")
				}
				s.ch.Close()
			})
		})
	}
}

// Nor do calls wait from one such connection to the next: the second in a row
// fails those that do not wait for ready, with what the server said.
func TestServerThatHangsUpFailsCalls(t *testing.T) {
	play(t, func(s *scene) {
		none := http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}
		r := s.unary(s.Context(), "a")
		patient := s.unary(s.Context(), "b", WithWaitForReady(true))
		p := s.server("the calls connect", none)
		p.WriteGoAway(0, http2.ErrCodeNo, "once")
		p.Close()
		p = s.server("they connect again at once", none)
		s.wantPending("once may be bad luck", r)
		p.WriteGoAway(0, http2.ErrCodeNo, "twice")
		p.Close()
		s.wantFailed("twice is not", r, cqrpc.CodeUnavailable, "twice")
		s.wantState("between attempts", TransientFailure)
		s.advance(2 * time.Second)
		p = s.server("it goes on trying")
		s.wantState("connected", Ready)
		wantCall(p, "who waited is served", 1, unaryMethod.Name, "b")
		answer(p, 1, "c")
		s.wantOK("answered", patient, "c")
	})
}

// A connection that was of use is no failure, however short: nginx ends one after 1000
// calls, and servers that are replaced one by one end several in a row.
func TestServerThatEndsConnectionsAfterSomeCalls(t *testing.T) {
	for name, end := range map[string]func(p *h2peer.Peer){
		"with GOAWAY": func(p *h2peer.Peer) { p.WriteGoAway(1, http2.ErrCodeNo, "") },
		"hanging up":  func(p *h2peer.Peer) { p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				for range 5 {
					r := s.unary(s.Context(), "a")
					p := s.server("the call connects, at once")
					wantCall(p, "sent", 1, unaryMethod.Name, "a")
					answer(p, 1, "b")
					s.wantOK("answered", r, "b")
					end(p)
					s.wantState("no failure", Idle)
				}
				s.wantDials("no time has passed", 0, 0, 0, 0, 0)
			})
		})
	}
}

// Nor is one that was to end before the first answer: what the server has begun it goes on with.
func TestServerThatEndsConnectionsBeforeItAnswers(t *testing.T) {
	play(t, func(s *scene) {
		for range 3 {
			r := s.unary(s.Context(), "a")
			p := s.server("the call connects, at once")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			p.WriteGoAway(1, http2.ErrCodeNo, "")
			s.wantState("no failure", Idle)
			s.wantPending("it may go on", r)
			answer(p, 1, "b")
			s.wantOK("answered", r, "b")
		}
		s.wantDials("no time has passed", 0, 0, 0)
	})
}

// One that the server ends because of what we do is a failure, answers or not.
func TestServerThatThrowsOutIsNotCalledInALoop(t *testing.T) {
	play(t, func(s *scene) {
		for _, want := range []State{Idle, TransientFailure} {
			r := s.unary(s.Context(), "a")
			p := s.server("the call connects")
			wantCall(p, "sent", 1, unaryMethod.Name, "a")
			answer(p, 1, "b")
			s.wantOK("answered", r, "b")
			p.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, "")
			p.Close()
			s.wantState("once may be bad luck, twice is not", want)
		}
	})
}

// A connection that lasted ends the count of failures.
func TestBackoffBeginsAnewAfterALastingConnection(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(ctx context.Context) error { return errors.New("no route") })
		s.ch.Connect()
		s.advance(60 * time.Second)
		s.onDial(nil)
		s.accepted = len(s.attempts())
		s.advance(10 * time.Second) // to the ninth attempt
		p := s.server("the network is back")
		s.wantState("connected", Ready)
		s.advance(lasting)
		p.Close()
		before := s.attempts()
		s.ch.Connect()
		s.wantDials("at once", append(before, time.Since(s.born))...)
		s.server("connected again")
	})
}

// gRFC A8: a client told too_many_pings pings half as often from then on.
func TestTooManyPingsDoublesKeepalive(t *testing.T) {
	keepalive := transport.Keepalive{Time: time.Second, Timeout: 5 * time.Second, PermitWithoutStreams: true}
	play(t, func(s *scene) {
		for _, every := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
			s.ch.Connect()
			p := s.server("Connect connects")
			s.advance(every - time.Millisecond)
			p.WantIdle("not yet")
			s.advance(time.Millisecond)
			ping := p.WantPing("the server was silent")
			p.WritePing(true, [8]byte(ping.Payload))
			p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, "too_many_pings")
			p.Close()
			s.wantState("thrown out", Idle)
		}
	}, WithKeepalive(keepalive))
}

func TestOtherGoAwaysLeaveKeepaliveAlone(t *testing.T) {
	play(t, func(s *scene) {
		for range 3 {
			s.ch.Connect()
			p := s.server("Connect connects")
			s.advance(10 * time.Second)
			p.WantPing("the server was silent")
			p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, "something else")
			p.Close()
			s.wantState("thrown out", Idle)
		}
	}, WithKeepalive(transport.Keepalive{Time: 10 * time.Second, PermitWithoutStreams: true}))
}

func TestKeepaliveTimeoutFailsCallsAndReconnects(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		r := s.unary(s.Context(), "a")
		wantCall(p, "sent", 1, unaryMethod.Name, "a")
		s.advance(30 * time.Second)
		s.wantFailed("no answer to the PING", r, cqrpc.CodeUnavailable, "keepalive timeout")
		r = s.unary(s.Context(), "b")
		p = s.server("the next call connects")
		wantCall(p, "sent", 1, unaryMethod.Name, "b")
		answer(p, 1, "c")
		s.wantOK("answered", r, "c")
	}, WithKeepalive(transport.Keepalive{Time: 10 * time.Second, Timeout: 5 * time.Second}))
}

// high_initial_seqno: a connection out of stream identifiers is replaced.
func TestStreamIDsRunOut(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		last := s.unary(s.Context(), "last")
		wantCall(p, "the last identifier", 1<<31-1, unaryMethod.Name, "last")
		next := s.unary(s.Context(), "next")
		answer(p, 1<<31-1, "one")
		s.wantOK("answered", last, "one")
		p = s.server("a new connection")
		wantCall(p, "which has but one as well", 1<<31-1, unaryMethod.Name, "next")
		answer(p, 1<<31-1, "two")
		s.wantOK("answered", next, "two")
	}, WithTransport(transport.Config{FirstStreamID: 1<<31 - 1}))
}

// A stream of which nothing has left the process goes on on the next connection, with all its
// messages: one that waits for its turn there takes a second message only when it has had it.
func TestAStreamThatWasNotSentMovesOn(t *testing.T) {
	play(t, func(s *scene) {
		s.ch.Connect()
		full := s.server("a server without room", http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		stream := s.bidiStream(WithWaitForReady(true))
		sent := make(chan int, 2)
		go func() {
			for i := range 2 {
				if err := stream.Send(message(fmt.Sprint(i))); err != nil {
					s.Errorf("Send %d: %v", i, err)
				}
				sent <- i
			}
		}()
		synctest.Wait()
		if n := len(sent); n > 0 {
			s.Errorf("%d messages are sent; want none before the headers", n)
		}
		full.WriteGoAway(1<<31-1, http2.ErrCodeNo, "max_age")
		p := s.server("the next one")
		p.WantRequest("the headers", 1, bidiMethod.Name)
		for i := range 2 {
			p.WantMessage("in order", 1, false, []byte(fmt.Sprint(i)))
		}
		<-sent
		<-sent
		p.TrailersOnly(1, 0)
		s.wantEnd("OK", stream.Recv)
	})
}
