package conformance

import (
	"io"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// barrier lets nobody pass before n have come.
type barrier struct {
	wait sync.WaitGroup
	open chan struct{}
}

func newBarrier(n int) *barrier {
	b := &barrier{open: make(chan struct{})}
	b.wait.Add(n)
	go func() {
		b.wait.Wait()
		close(b.open)
	}()
	return b
}

// arrive waits for the others, or for the end of a call.
func (b *barrier) arrive(c testservice.Call) error {
	b.wait.Done()
	select {
	case <-b.open:
		return nil
	case <-c.Context().Done():
		return c.Context().Err()
	}
}

// thousandStreams has a thousand handlers wait for each other, so that all
// streams of the connection are open at once, and then plays ping-pong on all.
func thousandStreams(t *testing.T, p *pairing) {
	const n, rounds = 1000, 3
	all := newBarrier(n)
	service := echo()
	play := service.FullDuplexCall
	service.FullDuplexCall = func(
		c testservice.Call, in testservice.Receiver[outputRequest], out testservice.Sender[outputResponse],
	) error {
		if err := all.arrive(c); err != nil {
			return err
		}
		return play(c, in, out)
	}
	c := p.connect(t, service)
	ctx := within(t)
	each(t, n, func(i int) error {
		s, err := c.FullDuplexCall(ctx, options{})
		if err != nil {
			return err
		}
		for round := range rounds {
			if err := rally(s, noise(100, uint64(i+round))); err != nil {
				return err
			}
		}
		if err := s.CloseSend(); err != nil {
			return err
		}
		if _, err := s.Recv(); err != io.EOF {
			return cqrpc.Errorf(cqrpc.CodeInternal, "%w where the end should be", err)
		}
		return nil
	})
}

// rally is one ping and its pong.
func rally(s duplex, body []byte) error {
	if err := s.Send(carrying(body)); err != nil {
		return err
	}
	res, err := s.Recv()
	if err == nil && string(res.GetPayload().GetBody()) != string(body) {
		err = cqrpc.Errorf(cqrpc.CodeDataLoss, "response is not the request")
	}
	return err
}

// each runs f(0) to f(n-1) at once, waits and reports the first error.
func each(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- f(i) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

// A client that is told of a limit waits for streams to end, it does not fail
// calls (RFC 9113 section 5.1.2).
func streamLimit(t *testing.T, p *pairing) {
	const limit, rounds = 4, 5
	service := testservice.New()
	together := make([]*barrier, rounds)
	for i := range together {
		together[i] = newBarrier(limit)
	}
	var mu sync.Mutex
	arrived := 0
	service.EmptyCall = func(c testservice.Call, _ *testpb.Empty) (*testpb.Empty, error) {
		mu.Lock()
		round := together[arrived/limit]
		arrived++
		mu.Unlock()
		return new(testpb.Empty), round.arrive(c)
	}
	c := p.dial(t, p.serve(t, serving{service: service, maxStreams: limit}))
	ctx := within(t)
	each(t, limit*rounds, func(int) error {
		_, err := c.EmptyCall(ctx, new(testpb.Empty), options{})
		return err
	})
}

func manyGoroutines(t *testing.T, p *pairing) {
	c := p.connect(t, echo())
	ctx := within(t)
	each(t, 50, func(i int) error {
		for round := range 10 {
			body := noise(i*50+round, uint64(i))
			req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: body}}
			res, err := c.UnaryCall(ctx, req, options{})
			if err != nil {
				return err
			}
			if string(res.GetPayload().GetBody()) != string(body) {
				return cqrpc.Errorf(cqrpc.CodeDataLoss, "response is not the request")
			}
		}
		return nil
	})
}

// soak is rpc_soak and channel_soak, short: large calls one after the other on
// one channel, and each on a new one.
func soak(t *testing.T, p *pairing) {
	h := p.serve(t, serving{})
	c := p.dial(t, h)
	for range 10 {
		for _, c := range []caller{c, p.dial(t, h)} {
			res, err := c.UnaryCall(within(t), &testpb.SimpleRequest{
				Payload: &testpb.Payload{Body: make([]byte, largeRequest)}, ResponseSize: largeResponse,
			}, options{})
			want(t, "UnaryCall", err)
			wantBody(t, "response", res.GetPayload(), make([]byte, largeResponse))
		}
	}
}
