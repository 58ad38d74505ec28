package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/leak"
)

// clinic is a network whose servers are scripted.
type clinic struct {
	*scene

	net   *fakeNetwork
	conns map[string]chan net.Conn
}

// checked runs script with a channel of round_robin to these addresses that checks the health of "x".
func checked(t *testing.T, script func(c *clinic), addresses []string, opts ...Option) {
	t.Helper()
	w := newNetwork(addresses...)
	w.play(t, func(s *scene) {
		c := &clinic{scene: s, net: w, conns: map[string]chan net.Conn{}}
		for _, a := range addresses {
			ch := make(chan net.Conn, 100)
			c.conns[a] = ch
			w.serve(a, func(nc net.Conn) { ch <- nc })
		}
		script(c)
	}, append([]Option{WithBalancing(RoundRobin), WithHealthCheck("x")}, opts...)...)
}

// server is the server on the next connection to an address, opening exchange done.
func (c *clinic) server(why, address string) *h2peer.Peer {
	c.Helper()
	synctest.Wait()
	select {
	case nc := <-c.conns[address]:
		p := h2peer.New(c.T, nc, h2peer.Server)
		p.Greet()
		p.Ignore(http2.FrameWindowUpdate)
		return p
	default:
		c.Fatalf("%s: there was no further connection to %s; %v", why, address, c.ch)
		return nil
	}
}

// wantWatch wants a call of Watch.
func wantWatch(p *h2peer.Peer, why string, id uint32, fields ...string) h2peer.Frame {
	return wantCall(p, why, id, "/grpc.health.v1.Health/Watch", "\x0a\x01x", fields...)
}

// The answers to Watch.
func tellHealth(p *h2peer.Peer, id uint32, status byte) { p.WriteMessage(id, false, []byte{8, status}) }

func firstHealth(p *h2peer.Peer, id uint32, status byte) {
	p.Response(id)
	tellHealth(p, id, status)
}

func isCancelled(f h2peer.Frame) bool {
	return f.Type == http2.FrameRSTStream && f.Code == http2.ErrCodeCancel
}

const one = "192.0.2.1"

// A connection takes calls while its server says SERVING. Calls that are in progress go on.
func TestHealthCheck(t *testing.T) {
	checked(t, func(c *clinic) {
		early := c.unary(c.Context(), "early")
		p := c.server("the call connects", one)
		wantWatch(p, "the watch comes first", 1)
		p.WantIdle("the call waits")
		c.wantState("no answer yet", Connecting)
		firstHealth(p, 1, 1)
		wantCall(p, "SERVING", 3, unaryMethod.Name, "early")
		c.wantState("SERVING", Ready)
		tellHealth(p, 1, 2)
		c.wantState("NOT_SERVING", TransientFailure)
		c.wantFailed("a new call", c.unary(c.Context(), "a"), cqrpc.CodeUnavailable,
			`192.0.2.1:50051 is connected, but the health of "x" is NOT_SERVING`)
		patient := c.unary(c.Context(), "patient", WithWaitForReady(true))
		c.wantPending("it waits", patient)
		answer(p, 3, "late")
		c.wantOK("it was in progress", early, "late")
		tellHealth(p, 1, 1)
		wantCall(p, "SERVING again", 5, unaryMethod.Name, "patient")
		answer(p, 5, "b")
		c.wantOK("on the same connection", patient, "b")
		tellHealth(p, 1, 1)
		c.wantState("once more changes nothing", Ready)
		p.WantIdle("nobody has cancelled anything")
		c.wantTried("nor connected", c.net, "192.0.2.1@0")
	}, []string{one})
}

// Whatever a server says that is not SERVING, it gets no calls.
func TestHealthStatuses(t *testing.T) {
	for message, want := range map[string]string{
		"":                            "UNKNOWN",
		"\x08\x00":                    "UNKNOWN",
		"\x08\x02":                    "NOT_SERVING",
		"\x08\x03":                    "SERVICE_UNKNOWN",
		"\x08\x04":                    "4",
		"\x08\x01\x08\x02":            "NOT_SERVING", // the last counts
		"\x08\x01":                    "",
		"\x12\x03abc\x08\x01\x1d1234": "", // fields of a later version
		"\x08":                        "not a grpc.health.v1.HealthCheckResponse",
		"\xff":                        "not a grpc.health.v1.HealthCheckResponse",
		"\x12\x7f":                    "not a grpc.health.v1.HealthCheckResponse",
		"\x09\x01":                    "not a grpc.health.v1.HealthCheckResponse",
		"\x12\xfa\x1f" + blank(4<<10): "RESOURCE_EXHAUSTED",
	} {
		t.Run(fmt.Sprintf("%.8q", message), func(t *testing.T) {
			checked(t, func(c *clinic) {
				r := c.unary(c.Context(), "a")
				p := c.server("the call connects", one)
				wantWatch(p, "the watch", 1)
				p.Response(1)
				p.WriteMessage(1, false, []byte(message))
				if want != "" {
					c.wantFailed("unhealthy", r, cqrpc.CodeUnavailable, want)
					return
				}
				wantCall(p, "healthy", 3, unaryMethod.Name, "a")
			}, []string{one})
		})
	}
}

// A server that says the same again says nothing: it is told and logged once.
func TestHealthStatusIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	checked(t, func(c *clinic) {
		c.ch.Connect()
		p := c.server("connects", one)
		wantWatch(p, "the watch", 1)
		firstHealth(p, 1, 2)
		for _, status := range []byte{2, 2, 1, 1, 3, 3} {
			p.WriteMessage(1, false, []byte{8, status})
		}
		c.wantState("SERVICE_UNKNOWN", TransientFailure)
		if n := strings.Count(log.String(), "server is not healthy"); n != 2 {
			t.Errorf("it was logged %d times: %s", n, log.String())
		}
	}, []string{one}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
}

func blank(n int) string { return strings.Repeat(" ", n) }

// Of several servers those that are healthy get the calls.
func TestHealthCheckPassesOver(t *testing.T) {
	addresses := []string{one, "192.0.2.2"}
	checked(t, func(c *clinic) {
		c.ch.Connect()
		a, b := c.server("the first", one), c.server("the second", "192.0.2.2")
		wantWatch(a, "the first is asked", 1)
		wantWatch(b, "the second is asked", 1)
		firstHealth(a, 1, 2)
		c.wantState("the second has not answered", Connecting)
		firstHealth(b, 1, 1)
		for i := range uint32(4) {
			c.unary(c.Context(), "x")
			wantCall(b, "the healthy one", 3+2*i, unaryMethod.Name, "x")
		}
		tellHealth(b, 1, 3)
		c.wantState("none is", TransientFailure)
		c.wantFailed("none is", c.unary(c.Context(), "x"), cqrpc.CodeUnavailable,
			"none of the 2 addresses of mem.test:50051", `192.0.2.1:50051 is connected`, `"x" is NOT_SERVING; 192.0.2.2`,
			`"x" is SERVICE_UNKNOWN`)
		a.WantIdle("no call came here")
	}, addresses)
}

// A server without the service counts as healthy, is not asked again, and is mentioned once.
func TestHealthServiceIsUnimplemented(t *testing.T) {
	for name, first := range map[string]bool{"at once": true, "later": false} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			checked(t, func(c *clinic) {
				c.ch.Connect()
				p := c.server("connects", one)
				wantWatch(p, "the watch", 1)
				if first {
					p.TrailersOnly(1, int(cqrpc.CodeUnimplemented))
				} else {
					firstHealth(p, 1, 2)
					p.Trailers(1, int(cqrpc.CodeUnimplemented))
				}
				c.wantState("it counts as healthy", Ready)
				c.advance(time.Hour)
				p.WantIdle("it is not asked again")
				c.wantState("still", Ready)
				if n := strings.Count(log.String(), "does not tell its health"); n != 1 {
					t.Errorf("it was logged %d times: %s", n, log.String())
				}
			}, []string{one}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithIdleTimeout(-1))
		})
	}
}

// A watch that ends is made again, with a back-off that counts from its beginning and begins anew when there
// was a message.
func TestHealthCheckBackoff(t *testing.T) {
	checked(t, func(c *clinic) {
		c.ch.Connect()
		p := c.server("connects", one)
		begun := time.Now()
		id := uint32(1)
		wantNext := func(why string, after time.Duration) {
			t.Helper()
			p.WantIdle("not yet: " + why)
			c.advance(time.Until(begun.Add(after)) - time.Millisecond)
			p.WantIdle("not yet: " + why)
			c.advance(time.Millisecond)
			id += 2
			begun = time.Now()
			wantWatch(p, why, id)
		}
		wantWatch(p, "the first", id)
		c.advance(300 * time.Millisecond)
		p.TrailersOnly(id, int(cqrpc.CodeUnavailable), "grpc-message", "not today")
		c.wantState("it has failed", TransientFailure)
		c.wantFailed("with a reason", c.unary(c.Context(), "a"), cqrpc.CodeUnavailable,
			`the health of "x" is not known: `, "UNAVAILABLE", "not today")
		wantNext("the second, 1 s after the first", time.Second)
		p.WriteRST(id, http2.ErrCodeInternal)
		wantNext("the third, 1.6 s later", 1600*time.Millisecond)
		p.Response(id)
		p.Trailers(id, 0)
		c.wantState("OK is an end, too", TransientFailure)
		wantNext("the fourth, 2.56 s later", 2560*time.Millisecond)
		firstHealth(p, id, 1)
		c.wantState("a message", Ready)
		p.Trailers(id, int(cqrpc.CodeUnavailable))
		c.wantState("and the end", TransientFailure)
		wantNext("the back-off begins anew", time.Second)
		firstHealth(p, id, 1)
		c.advance(time.Minute)
		p.Trailers(id, int(cqrpc.CodeUnavailable))
		id += 2
		wantWatch(p, "a watch that lasted is made again at once", id)
		c.wantState("meanwhile", TransientFailure)
		firstHealth(p, id, 1)
		c.wantState("it goes on", Ready)
		c.wantTried("all that on one connection", c.net, "192.0.2.1@0")
	}, []string{one})
}

// The watch ends when its connection takes no more calls, those in progress do not; another connection has
// a watch of its own.
func TestHealthCheckEndsWithItsConnection(t *testing.T) {
	for name, status := range map[string]byte{"healthy": 1, "not healthy": 2} {
		t.Run(name, func(t *testing.T) {
			checked(t, func(c *clinic) {
				r := c.unary(c.Context(), "a")
				serve := func(why string, status byte) *h2peer.Peer {
					t.Helper()
					p := c.server(why, one)
					wantWatch(p, why, 1)
					firstHealth(p, 1, status)
					c.advance(lasting)
					return p
				}
				p := serve("the first connection", 1)
				wantCall(p, "healthy", 3, unaryMethod.Name, "a")
				tellHealth(p, 1, status)
				synctest.Wait()
				p.WriteGoAway(3, http2.ErrCodeNo, "")
				p.Until("GOAWAY ends the watch (gRFC A17)", isCancelled)
				answer(p, 3, "b")
				c.wantOK("a call goes on", r, "b")
				p.Until("nothing is left", func(f h2peer.Frame) bool { return f.Type == http2.FrameGoAway })
				p = serve("another connection", status)
				p.Close()
				p = serve("a third one", status)
				if err := c.ch.Close(); err != nil {
					t.Error(err)
				}
				p.Until("Close ends the connection", func(f h2peer.Frame) bool { return f.Type == http2.FrameGoAway })
			}, []string{one})
		})
	}
}

// A watch keeps no channel awake, and no connection that is to go.
func TestHealthCheckAndIdleTimeout(t *testing.T) {
	checked(t, func(c *clinic) {
		c.ch.Connect()
		p := c.server("connects", one)
		wantWatch(p, "the watch", 1)
		firstHealth(p, 1, 1)
		c.wantState("in use", Ready)
		slow := c.unary(c.Context(), "slow")
		wantCall(p, "a call", 3, unaryMethod.Name, "slow")
		c.advance(3 * time.Minute)
		c.wantState("a call is in progress", Ready)
		answer(p, 3, "b")
		c.wantOK("answered", slow, "b")
		c.advance(3 * time.Minute)
		c.wantState("no call", Idle)
		p.Ignore(http2.FrameRSTStream)
		p.WantGoAway("the connection ends", http2.ErrCodeNo)
		p.WantClosed("for no call is left")
		r := c.unary(c.Context(), "a")
		p = c.server("the next call connects again", one)
		wantWatch(p, "and is checked again", 1)
		firstHealth(p, 1, 1)
		wantCall(p, "healthy", 3, unaryMethod.Name, "a")
		answer(p, 3, "b")
		c.wantOK("answered", r, "b")
	}, []string{one}, WithIdleTimeout(time.Minute))
}

// A server that says how it is and hangs up is not called in a loop.
func TestHealthyServerThatHangsUp(t *testing.T) {
	for name, status := range map[string]byte{"SERVING": 1, "NOT_SERVING": 2} {
		t.Run(name, func(t *testing.T) {
			checked(t, func(c *clinic) {
				c.ch.Connect()
				for range 2 {
					p := c.server("connects", one)
					wantWatch(p, "the watch", 1)
					firstHealth(p, 1, status)
					synctest.Wait()
					p.Close()
				}
				c.wantTried("once it may be bad luck", c.net, "192.0.2.1@0", "192.0.2.1@0")
				c.wantState("twice it is a failure", TransientFailure)
				c.advance(time.Second)
				c.wantTried("the back-off", c.net, "192.0.2.1@0", "192.0.2.1@0", "192.0.2.1@1000")
			}, []string{one})
		})
	}
}

// A server that is lost before it has said how it is may have been restarted: calls wait for what it says
// next, once.
func TestHealthCheckWithoutAnswer(t *testing.T) {
	checked(t, func(c *clinic) {
		r := c.unary(c.Context(), "a")
		p := c.server("connects", one)
		wantWatch(p, "the watch", 1)
		p.Close()
		p = c.server("connects again", one)
		wantWatch(p, "another watch", 1)
		c.wantState("as if it were the first", Connecting)
		c.wantPending("it may be bad luck", r)
		p.Close()
		c.wantFailed("twice it is a failure", r, cqrpc.CodeUnavailable)
	}, []string{one})
}

// What the channel's calls have in common the watch has, too: filters, metadata, an authority; but no time
// limit, no compression, and its own codec.
func TestHealthCheckIsACallOfTheChannel(t *testing.T) {
	var mu sync.Mutex
	var ends []cqrpc.Code
	credentials := func(ctx context.Context, start *call.Start) (context.Context, error) {
		if start.Method == healthWatchMethod {
			start.Metadata = append(start.Metadata, cqrpc.Pairs("authorization", "Bearer 1")...)
			start.OnEnd = func(e call.End) {
				mu.Lock()
				ends = append(ends, e.Status.Code)
				mu.Unlock()
			}
		}
		return ctx, nil
	}
	checked(t, func(c *clinic) {
		c.ch.Connect()
		p := c.server("connects", one)
		f := wantWatch(p, "the watch", 1, "authorization", "Bearer 1", "tenant", "t", "content-type", "application/grpc",
			":authority", "health.test")
		for _, field := range []string{"grpc-timeout", "grpc-encoding"} {
			if v := f.Value(field); v != "" {
				t.Errorf("the watch has %s: %s", field, v)
			}
		}
		firstHealth(p, 1, 1)
		c.advance(time.Hour)
		c.wantState("the watch has no time limit", Ready)
		p.Trailers(1, int(cqrpc.CodeAborted))
		wantWatch(p, "again", 3)
		mu.Lock()
		defer mu.Unlock()
		if len(ends) != 1 || ends[0] != cqrpc.CodeAborted {
			t.Errorf("filters were told of %v", ends)
		}
	}, []string{one}, WithFilter(credentials), WithIdleTimeout(-1),
		WithDefaultCallOptions(WithTimeout(time.Second), WithMetadata(cqrpc.Pairs("tenant", "t")), WithCompressor("gzip")),
		WithMethodOptions("/grpc.health.v1.Health/Watch", WithCallAuthority("health.test")))
}

// A filter that refuses or breaks is an attempt that has failed.
func TestHealthCheckAndFilters(t *testing.T) {
	for name, tt := range map[string]struct {
		filter func(*call.Start) error
		want   string
	}{
		"refuses": {func(*call.Start) error { return cqrpc.Errorf(cqrpc.CodeUnauthenticated, "no token") }, "no token"},
		"panics":  {func(*call.Start) error { panic(errors.New("oops")) }, "INTERNAL"},
		"exits":   {func(*call.Start) error { runtime.Goexit(); return nil }, "ended its goroutine"},
		"adds what is not legal": {func(start *call.Start) error {
			start.Metadata = append(start.Metadata, cqrpc.Pairs("a b", "c")...)
			return nil
		}, "INTERNAL"},
		"refuses the message": {func(start *call.Start) error {
			start.OnSend = func(any) error { return cqrpc.Errorf(cqrpc.CodeAborted, "not this") }
			return nil
		}, "not this"},
	} {
		t.Run(name, func(t *testing.T) {
			var isMended atomic.Bool
			checked(t, func(c *clinic) {
				r := c.unary(c.Context(), "a")
				p := c.server("the call connects", one)
				c.wantFailed("the filter "+name, r, cqrpc.CodeUnavailable, "is not known", tt.want)
				isMended.Store(true)
				c.advance(time.Second)
				wantWatch(p, "another attempt after the back-off", 1)
			}, []string{one}, WithLogger(slog.New(slog.DiscardHandler)),
				WithFilter(func(ctx context.Context, start *call.Start) (context.Context, error) {
					if start.Method == healthWatchMethod && !isMended.Load() {
						return ctx, tt.filter(start)
					}
					return ctx, nil
				}))
		})
	}
}

// A filter may wait, for a token. It holds nobody up, and is told when nobody wants the result any more.
func TestHealthCheckAndFilterThatWaits(t *testing.T) {
	checked(t, func(c *clinic) {
		c.ch.Connect()
		p := c.server("connects", one)
		p.WantIdle("the filter waits")
		p.Close()
		synctest.Wait()
		c.wantTried("the loss is noticed", c.net, "192.0.2.1@0", "192.0.2.1@0")
	}, []string{one}, WithFilter(func(ctx context.Context, _ *call.Start) (context.Context, error) {
		<-ctx.Done()
		return ctx, ctx.Err()
	}))
}

// pick_first does not check (gRFC A17), whatever addresses it has.
func TestPickFirstDoesNotCheckHealth(t *testing.T) {
	for name, opts := range map[string][]Option{"one connection": nil, "several": {WithConnections(2)}} {
		t.Run(name, func(t *testing.T) {
			checked(t, func(c *clinic) {
				c.ch.Connect()
				p := c.server("connects", one)
				c.wantState("at once", Ready)
				p.WantIdle("no watch")
			}, []string{one}, append(opts, WithBalancing(PickFirst))...)
		})
	}
}

// A check between two messages is no goroutine.
func TestHealthCheckCostsNoGoroutine(t *testing.T) {
	count := func(opts ...Option) (n int) {
		checked(t, func(c *clinic) {
			c.ch.Connect()
			p := c.server("connects", one)
			if c.ch.newHealthChecks() != nil {
				wantWatch(p, "the watch", 1)
				firstHealth(p, 1, 1)
			}
			c.wantState("healthy", Ready)
			c.advance(lasting)
			n = leak.InBubble()
		}, []string{one}, opts...)
		return n
	}
	without := count(optionFunc(func(c *config) { c.health = nil }))
	if with := count(); with != without {
		t.Errorf("%d goroutines with a check, %d without", with, without)
	}
}

// The codec of the channel's messages is not that of the watch's.
func TestHealthCheckBesideAnotherCodec(t *testing.T) {
	checked(t, func(c *clinic) {
		c.ch.Connect()
		p := c.server("connects", one)
		wantWatch(p, "protobuf", 1, "content-type", "application/grpc")
	}, []string{one}, WithCodec(codec.BytesNamed("other")))
}
