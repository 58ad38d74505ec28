package parity

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc"
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
func (b *barrier) arrive(c Call) error {
	b.wait.Done()
	select {
	case <-b.open:
		return nil
	case <-c.Context().Done():
		return c.Context().Err()
	}
}

// manyStreams has handlers wait for each other, so that all streams of the
// connection are open at once, and then plays ping-pong on all.
func manyStreams(t *testing.T, p *Pairing) {
	const n, rounds = 1000, 3
	all := newBarrier(n)
	service := Echo()
	play := service.BidiStream
	service.BidiStream = func(c Call, in In, out Out) error {
		if err := all.arrive(c); err != nil {
			return err
		}
		return play(c, in, out)
	}
	c := p.Connect(t, service)
	ctx := Within(t)
	each(t, n, func(i int) error { return converse(ctx, c, rounds, uint64(i)) })
}

// converse is a stream with so many rounds of ping and pong, to its end.
func converse(ctx context.Context, c Caller, rounds int, seed uint64) error {
	s, err := c.BidiStream(ctx, Options{})
	if err != nil {
		return err
	}
	for round := range rounds {
		if err := Rally(s, Noise(100, seed+uint64(round))); err != nil {
			return err
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w where the end should be", err)
	}
	return nil
}

// Rally is one ping and its pong.
func Rally(s Duplex, body []byte) error {
	if err := s.Send(body); err != nil {
		return err
	}
	res, err := s.Recv()
	if err == nil && string(res) != string(body) {
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
func streamLimit(t *testing.T, p *Pairing) {
	const limit, rounds = 4, 5
	service := Standard()
	together := make([]*barrier, rounds)
	for i := range together {
		together[i] = newBarrier(limit)
	}
	var mu sync.Mutex
	arrived := 0
	service.Unary = func(c Call, req []byte) ([]byte, error) {
		mu.Lock()
		round := together[arrived/limit]
		arrived++
		mu.Unlock()
		return req, round.arrive(c)
	}
	c := p.Dial(t, p.Serve(t, Serving{Service: service, MaxStreams: limit}))
	ctx := Within(t)
	each(t, limit*rounds, func(int) error {
		_, err := c.Unary(ctx, nil, Options{})
		return err
	})
}

// A call that waits for a stream to end may itself end before.
func streamLimitCancel(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	c := p.Dial(t, p.Serve(t, Serving{Service: service, MaxStreams: 1}))
	ctx, cancel := context.WithCancel(Within(t))
	defer cancel()
	s := begin[Input](t)(c.ClientStream(ctx, Options{}))
	<-begun
	waiting, giveUp := context.WithCancel(Within(t))
	answer := make(chan error, 1)
	go func() { answer <- ping(waiting, c, Options{}) }()
	giveUp()
	WantCode(t, "the call that waited", <-answer, cqrpc.CodeCanceled)
	cancel()
	_, err := s.CloseAndRecv()
	WantCode(t, "CloseAndRecv", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
	untilServed(t, c)
}

// untilServed makes calls until one succeeds. A handler that is about to return
// counts, although its call has ended, and so a server that is at its limit may
// refuse another.
func untilServed(t *testing.T, c Caller) {
	t.Helper()
	for ctx := Within(t); ; {
		err := ping(ctx, c, Options{})
		if err == nil {
			return
		}
		WantCode(t, "the next call", err, cqrpc.CodeUnavailable)
	}
}

func manyGoroutines(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	ctx := Within(t)
	each(t, 50, func(i int) error {
		for round := range 10 {
			body := Noise(i*50+round, uint64(i))
			res, err := c.Unary(ctx, body, Options{})
			if err != nil {
				return err
			}
			if string(res) != string(body) {
				return cqrpc.Errorf(cqrpc.CodeDataLoss, "response is not the request")
			}
		}
		return nil
	})
}

// everyShapeAtOnce mixes the shapes on one connection.
func everyShapeAtOnce(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	each(t, 20, func(int) error {
		for shape, err := range everyShape(t, c, Options{}) {
			if err != nil {
				return cqrpc.Errorf(cqrpc.CodeInternal, "%s: %w", shape, err)
			}
		}
		return nil
	})
}

// soak is rpc_soak and channel_soak, short: large calls one after the other on
// one channel, and each on a new one.
func soak(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{})
	c := p.Dial(t, h)
	for range 10 {
		for _, c := range []Caller{c, p.Dial(t, h)} {
			res, err := c.Unary(Within(t), large(), Options{})
			Want(t, "Unary", err)
			wantBody(t, "response", res, make([]byte, largeResponse))
		}
	}
}
