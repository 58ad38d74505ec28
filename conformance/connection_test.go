package conformance

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// drainLetsCallsFinish shuts the server down while streams are open: they go on
// and end OK, new calls are refused, and succeed again once there is a server.
func drainLetsCallsFinish(t *testing.T, p *pairing) {
	h := p.serve(t, serving{service: echo()})
	c := p.dial(t, h)
	streams := make([]duplex, 10)
	for i := range streams {
		streams[i] = begin[duplex](t)(c.FullDuplexCall(within(t), options{}))
		want(t, "before the drain", rally(streams[i], []byte("before")))
	}
	drained := make(chan struct{})
	go func() {
		h.drain()
		close(drained)
	}()
	untilUnavailable(t, c)
	for i, s := range streams {
		for range 10 {
			want(t, "during the drain", rally(s, noise(100, uint64(i))))
		}
		select {
		case <-drained:
			t.Fatalf("drained while %d streams are open", len(streams)-i)
		default:
		}
		want(t, "CloseSend", s.CloseSend())
		_, err := s.Recv()
		wantEnd(t, "the stream's end", err)
	}
	select {
	case <-drained:
	case <-within(t).Done():
		t.Fatal("the drain does not end with the last stream")
	}
	p.serve(t, serving{service: echo(), address: h.address})
	_, err := c.EmptyCall(within(t), new(testpb.Empty), options{waitForReady: true})
	want(t, "a call of the next server", err)
}

// untilUnavailable makes calls until they fail: the client has been told to go,
// and found nobody else.
func untilUnavailable(t *testing.T, c caller) {
	t.Helper()
	for ctx := within(t); ; {
		_, err := c.EmptyCall(ctx, new(testpb.Empty), options{})
		if err != nil {
			wantCode(t, "EmptyCall", err, cqrpc.CodeUnavailable)
			return
		}
	}
}

func lostConnection(t *testing.T, p *pairing) {
	h := p.serve(t, serving{service: echo()})
	c := p.dial(t, h)
	s := begin[duplex](t)(c.FullDuplexCall(within(t), options{}))
	want(t, "before the loss", rally(s, []byte("before")))
	h.wire.cut()
	_, err := s.Recv()
	wantCode(t, "the call in progress", err, cqrpc.CodeUnavailable)
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{waitForReady: true})
	want(t, "a call on the next connection", err)
}

// stoppedServer stops without a drain: both ends of the call are told.
func stoppedServer(t *testing.T, p *pairing) {
	service, _, ended := hanging()
	h := p.serve(t, serving{service: service})
	s := begin[duplex](t)(p.dial(t, h).FullDuplexCall(within(t), options{}))
	_, err := s.Recv()
	want(t, "Recv", err)
	h.stop()
	_, err = s.Recv()
	wantCode(t, "the call in progress", err, cqrpc.CodeUnavailable)
	wantCancelled(t, ended)
}

// vacant is an address at which nobody listens.
func vacant(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	want(t, "Listen", err)
	want(t, "Close", lis.Close())
	return lis.Addr().String()
}

func noServer(t *testing.T, p *pairing) {
	c := p.dialing(t, dialing{address: vacant(t)})
	_, err := c.EmptyCall(within(t), new(testpb.Empty), options{})
	wantCode(t, "EmptyCall", err, cqrpc.CodeUnavailable)
}

func waitForReady(t *testing.T, p *pairing) {
	address := vacant(t)
	c := p.dialing(t, dialing{address: address})
	ctx := within(t)
	answer := make(chan error, 1)
	go func() {
		_, err := c.EmptyCall(ctx, new(testpb.Empty), options{waitForReady: true})
		answer <- err
	}()
	untilUnavailable(t, c)
	select {
	case err := <-answer:
		t.Fatalf("call ended without a server: %v", err)
	default:
	}
	p.serve(t, serving{address: address})
	want(t, "the call that waited", <-answer)
}

// TestIdleClientAnswersPings is about time, and so one silence for all pairings:
// a server asks a client that is silent whether it lives, each second being the
// shortest that both makes allow. A client that did not answer would be cut off
// before the end of the third second.
func TestIdleClientAnswersPings(t *testing.T) {
	t.Parallel()
	var silent []duplex
	all := pairings(t)
	for _, p := range all {
		h := p.serve(t, serving{service: echo(), pings: true})
		s := begin[duplex](t)(p.dial(t, h).FullDuplexCall(within(t), options{}))
		want(t, p.name()+" before the silence", rally(s, []byte("before")))
		silent = append(silent, s)
	}
	silence, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	<-silence.Done()
	for i, s := range silent {
		want(t, all[i].name()+" after the silence", rally(s, []byte("after")))
		want(t, "CloseSend", s.CloseSend())
		_, err := s.Recv()
		wantEnd(t, "after CloseSend", err)
	}
}

// TestPingFlood pings more than a server stands for. It answers with GOAWAY
// (gRFC A8); the client connects again, and calls do not notice.
func TestPingFlood(t *testing.T) {
	for _, kind := range hosts {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			h := kind.start(t, nil, serving{})
			ch, err := dialChannel(dialing{address: h.address})
			want(t, "dial", err)
			defer ch.Close()
			want(t, "AwaitReady", ch.AwaitReady(within(t)))
			ctx := within(t)
			for err == nil {
				_, err = ch.Ping(ctx)
			}
			want(t, "pings were answered until "+err.Error(), ctx.Err())
			_, err = syncCaller{ch}.EmptyCall(within(t), new(testpb.Empty), options{waitForReady: true})
			want(t, "EmptyCall", err)
		})
	}
}
