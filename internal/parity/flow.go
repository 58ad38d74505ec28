package parity

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc"
)

const (
	chunk  = 64 << 10
	chunks = 128 // 8 MiB in all
	// ahead is what a sender may be ahead of a receiver with a window of 64 KiB:
	// the window, what both ends have in hand, and buffers in between; a
	// fraction of the whole, and much more than it takes.
	ahead = 2 << 20
)

// stall makes calls beside a stream that nobody reads. Each is a round trip in
// which its sender could go on, if nothing held it back; and each must succeed,
// because streams have windows of their own.
func stall(t *testing.T, c Caller) {
	t.Helper()
	for range 30 {
		Want(t, "a call beside the stream", ping(Within(t), c, Options{}))
	}
}

// track fails when the sender is too far ahead of what was received.
func track(t *testing.T, sent *atomic.Int64, received int) {
	t.Helper()
	if gap := int(sent.Load()) - received; gap > ahead {
		t.Fatalf("sender is %d bytes ahead, flow control allows no more than %d", gap, ahead)
	}
}

func slowClient(t *testing.T, p *Pairing) {
	var sent atomic.Int64
	service := Standard()
	service.ServerStream = func(_ Call, _ []byte, out Out) error {
		for i := range chunks {
			if err := out.Send(Noise(chunk, uint64(i))); err != nil {
				return err
			}
			sent.Add(chunk)
		}
		return nil
	}
	h := p.Serve(t, Serving{Service: service})
	c := p.DialAs(t, Dialing{Address: h.Address, Window: 65535})
	s := begin[Output](t)(c.ServerStream(Within(t), nil, Options{}))
	for i := range chunks {
		if i%32 == 0 {
			stall(t, c)
		}
		track(t, &sent, i*chunk)
		wantNext(t, s, Noise(chunk, uint64(i)))
	}
	wantDone(t, s)
}

// counting is a service that takes a turn for each request it receives, and
// answers with the number of bytes.
func counting(turn <-chan struct{}) *Service {
	s := Standard()
	s.ClientStream = func(c Call, in In) ([]byte, error) {
		for sum := 0; ; {
			select {
			case <-turn:
			case <-c.Context().Done():
				return nil, c.Context().Err()
			}
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return decimal(sum), nil
			}
			if err != nil {
				return nil, err
			}
			sum += len(req)
		}
	}
	return s
}

func slowServer(t *testing.T, p *Pairing) {
	turn := make(chan struct{}) // one receive each
	defer close(turn)
	c := p.Dial(t, p.Serve(t, Serving{Service: counting(turn), Window: 65535}))
	s := begin[Input](t)(c.ClientStream(Within(t), Options{}))
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for i := range chunks {
			if err := s.Send(Noise(chunk, uint64(i))); err != nil {
				done <- err
				return
			}
			sent.Add(chunk)
		}
		done <- nil
	}()
	for i := range chunks {
		if i%32 == 0 {
			stall(t, c)
		}
		track(t, &sent, i*chunk)
		take(t, turn)
	}
	Want(t, "Send", <-done)
	go take(t, turn) // the end
	res, err := s.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	if string(res) != strconv.Itoa(chunks*chunk) {
		t.Errorf("server got %s bytes of %d", res, chunks*chunk)
	}
}

// take gives the server a turn, unless the call has ended.
func take(t *testing.T, turn chan<- struct{}) {
	select {
	case turn <- struct{}{}:
	case <-Within(t).Done():
	}
}

// rounds times chunk is more than the windows of a connection hold: what nobody
// reads has to be given back, or the last call finds them shut.
const rounds = 64

// unreadResponses gives calls up whose responses have arrived.
func unreadResponses(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{})
	c := p.DialAs(t, Dialing{Address: h.Address, Window: 2 * chunk})
	for range rounds {
		ctx, cancel := context.WithCancel(Within(t))
		s := begin[Output](t)(c.ServerStream(ctx, asking(1, chunk, chunk), Options{}))
		wantNext(t, s, make([]byte, 1))
		cancel()
		err := untilEnd(s, nil)
		if err != nil { // else all had been read ahead
			WantCode(t, "after cancel", err, cqrpc.CodeCanceled)
		}
	}
	res, err := c.Unary(Within(t), asking(chunk), Options{})
	Want(t, "the next call", err)
	wantBody(t, "response", res, make([]byte, chunk))
}

// unreadRequests answers calls before their requests are read.
func unreadRequests(t *testing.T, p *Pairing) {
	service := Standard()
	service.ClientStream = func(Call, In) ([]byte, error) { return []byte("no, thanks"), nil }
	c := p.Dial(t, p.Serve(t, Serving{Service: service, Window: 2 * chunk}))
	for range rounds {
		s := begin[Input](t)(c.ClientStream(Within(t), Options{}))
		if err := s.Send(make([]byte, chunk)); err != nil {
			WantEnd(t, "Send", err)
		}
		res, err := s.CloseAndRecv()
		Want(t, "CloseAndRecv", err)
		wantBody(t, "response", res, []byte("no, thanks"))
	}
	_, err := c.Unary(Within(t), wish{Ballast: chunk}.bytes(), Options{})
	Want(t, "the next call", err)
}
