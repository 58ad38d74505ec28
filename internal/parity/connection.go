package parity

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// drainLetsCallsFinish shuts the server down while streams are open: they go on
// and end OK, new calls are refused, and succeed again once there is a server.
func drainLetsCallsFinish(t *testing.T, p *Pairing) {
	door := NewDoorway(t)
	h := p.Serve(t, Serving{Service: Echo(), Doorway: door})
	c := p.Dial(t, h)
	streams := make([]Duplex, 10)
	for i := range streams {
		streams[i] = begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
		Want(t, "before the drain", Rally(streams[i], []byte("before")))
	}
	drained := h.startDrain()
	untilUnavailable(t, c)
	for i, s := range streams {
		for range 10 {
			Want(t, "during the drain", Rally(s, Noise(100, uint64(i))))
		}
		select {
		case <-drained:
			t.Fatalf("drained while %d streams are open", len(streams)-i)
		default:
		}
		Want(t, "CloseSend", s.CloseSend())
		wantDone(t, s)
	}
	wantDrained(t, drained)
	p.Serve(t, Serving{Service: Echo(), Doorway: door})
	Want(t, "a call of the next server", ping(Within(t), c, Options{WaitForReady: true}))
}

// startDrain returns what is closed when the drain has ended.
func (h *Host) startDrain() <-chan struct{} {
	drained := make(chan struct{})
	go func() {
		h.Drain()
		close(drained)
	}()
	return drained
}

func wantDrained(t *testing.T, drained <-chan struct{}) {
	t.Helper()
	select {
	case <-drained:
	case <-Within(t).Done():
		t.Fatal("the drain does not end with the last call")
	}
}

// waiting is a service whose calls end when gate is closed, with one response
// where there is one, else with three.
func waiting(gate <-chan struct{}) (s *Service, begun chan struct{}) {
	begun = make(chan struct{}, 8)
	wait := func(c Call) error {
		begun <- struct{}{}
		select {
		case <-gate:
			return nil
		case <-c.Context().Done():
			return c.Context().Err()
		}
	}
	s = Standard()
	s.Unary = func(c Call, req []byte) ([]byte, error) { return req, wait(c) }
	s.ClientStream = func(c Call, _ In) ([]byte, error) { return nil, wait(c) }
	s.ServerStream = func(c Call, _ []byte, out Out) error {
		if err := wait(c); err != nil {
			return err
		}
		return write(out, 3)
	}
	s.BidiStream = func(c Call, _ In, out Out) error {
		if err := wait(c); err != nil {
			return err
		}
		return write(out, 3)
	}
	return s, begun
}

// drainOfEveryShape drains while a call of each shape is in a handler.
func drainOfEveryShape(t *testing.T, p *Pairing) {
	gate := make(chan struct{})
	service, begun := waiting(gate)
	h := p.Serve(t, Serving{Service: service})
	c := p.Dial(t, h)
	ends := callEveryShape(Within(t), c)
	for range shapes {
		<-begun
	}
	drained := h.startDrain()
	untilUnavailable(t, c)
	close(gate)
	for range shapes {
		end := <-ends
		Want(t, end.shape, end.err)
	}
	wantDrained(t, drained)
}

type shapeEnd struct {
	shape string
	err   error
}

// callEveryShape makes a call of each shape at once.
func callEveryShape(ctx context.Context, c Caller) <-chan shapeEnd {
	ends := make(chan shapeEnd, len(shapes))
	for _, shape := range shapes {
		go func() { ends <- shapeEnd{shape.name, shape.call(ctx, c)} }()
	}
	return ends
}

// untilUnavailable makes calls until they fail: the client has been told to go,
// and found nobody else.
func untilUnavailable(t *testing.T, c Caller) {
	t.Helper()
	for ctx := Within(t); ; {
		if err := ping(ctx, c, Options{}); err != nil {
			WantCode(t, "Ping", err, cqrpc.CodeUnavailable)
			return
		}
	}
}

func lostConnection(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	h := p.Serve(t, Serving{Service: service})
	c := p.Dial(t, h)
	ends := callEveryShape(Within(t), c)
	for range shapes {
		<-begun
	}
	h.Wire.Cut()
	for range shapes {
		end := <-ends
		WantCode(t, end.shape, end.err, cqrpc.CodeUnavailable)
		wantCancelled(t, ended)
	}
	Want(t, "a call on the next connection", ping(Within(t), c, Options{WaitForReady: true}))
}

// lostMessages cuts the connection of a stream on which messages go both ways.
func lostMessages(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{Service: Echo()})
	c := p.Dial(t, h)
	s := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	Want(t, "before the loss", Rally(s, []byte("before")))
	h.Wire.Cut()
	wantFailure(t, s, cqrpc.CodeUnavailable)
	WantEnd(t, "Send after the loss", s.Send(nil))
	s = begin[Duplex](t)(c.BidiStream(Within(t), Options{WaitForReady: true}))
	Want(t, "after the loss", Rally(s, []byte("after")))
	Want(t, "CloseSend", s.CloseSend())
	wantDone(t, s)
}

// stoppedServer stops without a drain: both ends of the calls are told.
func stoppedServer(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	h := p.Serve(t, Serving{Service: service})
	ends := callEveryShape(Within(t), p.Dial(t, h))
	for range shapes {
		<-begun
	}
	h.Stop()
	for range shapes {
		end := <-ends
		WantCode(t, end.shape, end.err, cqrpc.CodeUnavailable)
		wantCancelled(t, ended)
	}
}

// nobody is an address at which nobody listens: that of tcpmux.
const nobody = "127.0.0.1:1"

func noServer(t *testing.T, p *Pairing) {
	c := p.DialAs(t, Dialing{Address: nobody})
	for _, shape := range shapes {
		WantCode(t, shape.name, shape.call(Within(t), c), cqrpc.CodeUnavailable)
	}
}

func waitForReady(t *testing.T, p *Pairing) {
	door := NewDoorway(t)
	c := p.DialAs(t, Dialing{Address: door.Address()})
	ctx := Within(t)
	answer := make(chan error, 1)
	go func() { answer <- ping(ctx, c, Options{WaitForReady: true}) }()
	untilUnavailable(t, c)
	select {
	case err := <-answer:
		t.Fatalf("call ended without a server: %v", err)
	default:
	}
	p.Serve(t, Serving{Doorway: door})
	Want(t, "the call that waited", <-answer)
}

// A call that waits for a server ends by itself if it may.
func waitNoLonger(t *testing.T, p *Pairing) {
	c := p.DialAs(t, Dialing{Address: nobody})
	untilUnavailable(t, c)
	ctx, cancel := context.WithCancel(Within(t))
	answer := make(chan error, 1)
	go func() { answer <- ping(ctx, c, Options{WaitForReady: true}) }()
	cancel()
	WantCode(t, "the call that waited", <-answer, cqrpc.CodeCanceled)
}

// closedChannel ends the client's end while calls are in progress and one waits.
func closedChannel(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	h := p.Serve(t, Serving{Service: service})
	c, err := p.Caller.Dial(Dialing{Address: h.Address, Credentials: p.Credentials})
	Want(t, "Dial", err)
	ends := callEveryShape(Within(t), c)
	for range shapes {
		<-begun
	}
	Want(t, "Close", c.Close())
	for range shapes {
		end := <-ends
		if code := cqrpc.CodeOf(end.err); code != cqrpc.CodeUnavailable && code != cqrpc.CodeCanceled {
			t.Errorf("%s ended with %v, want UNAVAILABLE or CANCELLED", end.shape, end.err)
		}
		wantCancelled(t, ended)
	}
}

// manyChannels is many clients of one server, each with calls of its own.
func manyChannels(t *testing.T, p *Pairing) {
	const channels = 10
	h := p.Serve(t, Serving{Service: Echo()})
	callers := make([]Caller, channels)
	for i := range callers {
		callers[i] = p.Dial(t, h)
	}
	ctx := Within(t)
	each(t, channels, func(i int) error {
		for round := range 10 {
			if err := converse(ctx, callers[i], 3, uint64(i*10+round)); err != nil {
				return err
			}
		}
		return nil
	})
	if n := h.Wire.Connections.Load(); n != channels {
		t.Errorf("%d connections, want one per channel", n)
	}
}
