package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/transport"
)

// unsteady is a network whose every connection is served for a while and then
// drained or cut. Outside a bubble: goroutines race for real.
type unsteady struct {
	listener *memconn.Listener
	served   sync.WaitGroup

	mu    sync.Mutex
	conns []*transport.Conn // guarded by mu
}

func newUnsteady(tb testing.TB, h transport.Handler) *unsteady {
	u := &unsteady{listener: memconn.Listen()}
	u.served.Go(func() {
		for {
			nc, err := u.listener.Accept()
			if err != nil {
				return
			}
			conn := transport.New(transport.Server, nc, transport.Config{}, h)
			u.mu.Lock()
			u.conns = append(u.conns, conn)
			u.mu.Unlock()
		}
	})
	tb.Cleanup(func() {
		u.listener.Close()
		u.served.Wait()
		u.disturb((*transport.Conn).Close)
	})
	return u
}

// persistently has calls repeated that are refused.
func persistently() Option {
	return WithRetry(call.RetryPolicy{
		MaxAttempts: 5, InitialBackoff: time.Microsecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 2,
		Codes: []cqrpc.Code{cqrpc.CodeUnavailable},
	})
}

// fickleHandler is echoHandler, except for the first attempts of calls.
type fickleHandler struct{ echoHandler }

func (f fickleHandler) OnStream(s *transport.Stream, h *frame.Headers, lane *cq.Lane) {
	if h.Value("grpc-previous-rpc-attempts") != "" {
		f.echoHandler.OnStream(s, h, lane)
		return
	}
	s.Accept(&echo{stream: s, done: true})
	l := frame.NewHeaderList()
	l.Add(":status", "200")
	l.Add("content-type", "application/grpc")
	l.Add("grpc-status", "14")
	s.Send(frame.Outgoing{Trailers: l, End: true})
}

// disturb ends every connection, one way or another.
func (u *unsteady) disturb(end func(*transport.Conn)) {
	u.mu.Lock()
	conns := u.conns
	u.conns = nil
	u.mu.Unlock()
	for _, c := range conns {
		end(c)
	}
}

// dial is for names and addresses of any kind: the same server is everywhere.
func (u *unsteady) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return u.listener.Dial(ctx)
}

// someAddresses are others each time.
func someAddresses(context.Context, string) ([]netip.Addr, error) {
	if rand.N(4) == 0 {
		return nil, errors.New("no such name for the moment")
	}
	some := make([]netip.Addr, 1+rand.N(3))
	for i := range some {
		some[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(rand.N(4))})
	}
	return some, nil
}

// Calls wait, are sent, drained, cut and repeated, on many goroutines at once.
// Each ends, with its answer or with UNAVAILABLE.
func TestCallsOverAnUnsteadyNetwork(t *testing.T) {
	for name, opts := range map[string][]Option{
		"one connection":  nil,
		"three":           {WithConnections(3)},
		"to each address": {WithBalancing(RoundRobin)},
		"two to each":     {WithBalancing(RoundRobin), WithConnections(2)},
	} {
		t.Run(name, func(t *testing.T) { weather(t, echoHandler{}, opts...) })
		t.Run(name+", calls refused at first", func(t *testing.T) {
			weather(t, fickleHandler{}, append(opts, persistently())...)
		})
	}
}

func weather(t *testing.T, h transport.Handler, opts ...Option) {
	leak.Check(t)
	leak.Buffers(t)
	u := newUnsteady(t, h)
	ch, err := NewChannel("mem.test:50051", append(opts, WithInsecure(), WithCodec(codec.Bytes()),
		WithBackoff(Backoff{Initial: time.Microsecond, Max: time.Millisecond, Jitter: -1}),
		optionFunc(func(c *config) { c.dial, c.resolve = u.dial, someAddresses }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close() })
	const callers, rounds = 16, 50
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for range rounds {
				req := []byte("x")
				res, err := Unary(t.Context(), ch, unaryMethod, &req, WithWaitForReady(true))
				if err == nil && string(*res) != "x" || err != nil && cqrpc.CodeOf(err) != cqrpc.CodeUnavailable {
					t.Errorf("Unary = %v, %v", res, err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		calling.Wait()
		close(ended)
	}()
	for i := 0; ; i++ {
		if rand.N(2) == 0 { // else connections are given up before they are made, too
			_ = ch.AwaitReady(t.Context())
		}
		_, _ = ch.Ping(t.Context()) // a round trip of peace, if there is a connection
		switch i % 4 {
		case 0:
			u.disturb((*transport.Conn).Drain)
		case 1:
			u.disturb((*transport.Conn).Close)
		case 2:
			ch.ResetBackoff()
		case 3:
			ch.balancer.idle()
		}
		select {
		case <-ended:
			return
		default:
		}
	}
}

// Close meets calls in every stage of their start.
func TestCloseRacesWithCalls(t *testing.T) {
	t.Run("answered", func(t *testing.T) { closeAmongCalls(t, echoHandler{}) })
	t.Run("refused at first", func(t *testing.T) { closeAmongCalls(t, fickleHandler{}, persistently()) })
}

func closeAmongCalls(t *testing.T, h transport.Handler, opts ...Option) {
	leak.Check(t)
	leak.Buffers(t)
	for i := range 50 {
		u := newUnsteady(t, h)
		ch := echoChannel(t, append(opts, WithDialer(u.dial), WithConnections(1+i%2))...)
		var calling sync.WaitGroup
		for range 8 {
			calling.Go(func() {
				for {
					req := []byte("x")
					_, err := Unary(t.Context(), ch, unaryMethod, &req, WithWaitForReady(true))
					if errors.Is(err, ErrChannelClosed) {
						return
					}
					if err != nil {
						t.Error("Unary:", err)
						return
					}
				}
			})
		}
		_, _ = ch.Ping(t.Context())
		ch.Close()
		calling.Wait()
	}
}
