package hostile

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// patience ends a hung test with a message; it is not there to be reached.
const patience = 30 * time.Second

// maxStreams is MAX_CONCURRENT_STREAMS of the servers here, and so how many
// handlers one connection may keep busy.
const maxStreams = 100

type method = call.Method[[]byte, []byte]

var (
	echo     = method{Name: "/hostile.Site/Echo"}                             // answers with the request
	wait     = method{Name: "/hostile.Site/Wait"}                             // ends with its call
	stubborn = method{Name: "/hostile.Site/Stubborn"}                         // outlasts its call, until the attack is over
	pour     = method{Name: "/hostile.Site/Pour", Shape: call.ServerStream}   // 1000 messages of 16 KiB
	count    = method{Name: "/hostile.Site/Count", Shape: call.ClientStream}  // answers with the number of requests
	ignore   = method{Name: "/hostile.Site/Ignore", Shape: call.ClientStream} // reads none, ends with its call
	other    = method{Name: "/hostile.Site/Other", Shape: call.BidiStream}    // is not registered: ends at once
	chunk    = make([]byte, 16<<10)                                           // of pour
)

// site is a server under attack.
type site struct {
	t       *testing.T
	address string
	release chan struct{} // closed when stubborn handlers may return

	// atomic
	running, peak, started atomic.Int64 // handlers
}

// serve runs a server until the test ends, and checks then that no handler is left.
func serve(t *testing.T, cfg transport.Config, opts ...server.Option) *site {
	t.Helper()
	cfg.MaxConcurrentStreams = maxStreams
	x := &site{t: t, release: make(chan struct{})}
	s := server.New(append([]server.Option{server.WithCodecs(codec.Bytes()), server.WithTransport(cfg)}, opts...)...)
	if err := s.Register(x.handlers()...); err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.address = lis.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("Close:", err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			t.Error("Serve:", err)
		}
		if n := x.running.Load(); n != 0 {
			t.Errorf("%d handlers run after Close", n)
		}
	})
	return x
}

func (x *site) handlers() []server.Handler {
	return []server.Handler{
		server.Unary(echo, func(_ context.Context, req *[]byte) (*[]byte, error) {
			defer x.handle()()
			return req, nil
		}),
		server.Unary(wait, func(ctx context.Context, _ *[]byte) (*[]byte, error) {
			defer x.handle()()
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		server.Unary(stubborn, func(context.Context, *[]byte) (*[]byte, error) {
			defer x.handle()()
			<-x.release
			return new([]byte), nil
		}),
		server.ServerStream(pour, func(_ context.Context, _ *[]byte, out *server.Sender[[]byte]) error {
			defer x.handle()()
			for range 1000 {
				if err := out.Send(&chunk); err != nil {
					return err
				}
			}
			return nil
		}),
		server.ClientStream(count, func(_ context.Context, in *server.Receiver[[]byte]) (*[]byte, error) {
			defer x.handle()()
			n := 0
			for _, err := range in.All() {
				if err != nil {
					return nil, err
				}
				n++
			}
			res := strconv.AppendInt(nil, int64(n), 10)
			return &res, nil
		}),
		server.ClientStream(ignore, func(ctx context.Context, _ *server.Receiver[[]byte]) (*[]byte, error) {
			defer x.handle()()
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		server.Generic(func(context.Context, *server.RawStream) error {
			defer x.handle()()
			return nil
		}),
	}
}

// handle counts a handler in, and returns what counts it out.
func (x *site) handle() func() {
	x.started.Add(1)
	n := x.running.Add(1)
	for {
		peak := x.peak.Load()
		if n <= peak || x.peak.CompareAndSwap(peak, n) {
			break
		}
	}
	return func() { x.running.Add(-1) }
}

// bystander is a well-behaved client with a connection of its own.
type bystander struct {
	t       *testing.T
	ch      *client.Channel
	stop    chan struct{}
	calls   atomic.Int64
	stopped sync.WaitGroup
}

// stroll makes a bystander call Echo until leave. It returns after its first call.
func (x *site) stroll() *bystander {
	x.t.Helper()
	b := &bystander{t: x.t, stop: make(chan struct{}), ch: x.dial()}
	b.call()
	b.stopped.Go(func() {
		for {
			select {
			case <-b.stop:
				return
			default:
				b.call()
			}
		}
	})
	return b
}

func (x *site) dial() *client.Channel {
	x.t.Helper()
	ch, err := client.NewChannel(x.address, client.WithInsecure(), client.WithCodec(codec.Bytes()))
	if err != nil {
		x.t.Fatal(err)
	}
	return ch
}

func (b *bystander) call() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req := []byte("how do you do")
	res, err := client.Unary(ctx, b.ch, echo, &req)
	if err != nil || string(*res) != string(req) {
		b.t.Errorf("the bystander's call: %v", err)
	}
	b.calls.Add(1)
}

// leave makes one more call, with whatever the attack has left behind, and ends
// the stroll.
func (b *bystander) leave() {
	b.t.Helper()
	before := b.calls.Load()
	b.call()
	close(b.stop)
	b.stopped.Wait()
	if b.calls.Load() == before {
		b.t.Error("the bystander was not served")
	}
	if err := b.ch.Close(); err != nil {
		b.t.Error("Close:", err)
	}
}
