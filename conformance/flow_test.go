package conformance

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
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
func stall(t *testing.T, c caller) {
	t.Helper()
	for range 30 {
		_, err := c.EmptyCall(within(t), new(testpb.Empty), options{})
		want(t, "a call beside the stream", err)
	}
}

// track fails when the sender is too far ahead of what was received.
func track(t *testing.T, sent *atomic.Int64, received int) {
	t.Helper()
	if gap := int(sent.Load()) - received; gap > ahead {
		t.Fatalf("sender is %d bytes ahead, flow control allows no more than %d", gap, ahead)
	}
}

func slowClient(t *testing.T, p *pairing) {
	var sent atomic.Int64
	service := testservice.New()
	service.StreamingOutputCall = func(
		_ testservice.Call, _ *outputRequest, out testservice.Sender[outputResponse],
	) error {
		for i := range chunks {
			if err := out.Send(&outputResponse{Payload: &testpb.Payload{Body: noise(chunk, uint64(i))}}); err != nil {
				return err
			}
			sent.Add(chunk)
		}
		return nil
	}
	h := p.serve(t, serving{service: service})
	c := p.dialing(t, dialing{address: h.address, window: 65535})
	s := begin[output](t)(c.StreamingOutputCall(within(t), new(outputRequest), options{}))
	for i := range chunks {
		if i%32 == 0 {
			stall(t, c)
		}
		track(t, &sent, i*chunk)
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), noise(chunk, uint64(i)))
	}
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
}

func slowServer(t *testing.T, p *pairing) {
	turn := make(chan struct{}) // one receive each
	defer close(turn)
	service := testservice.New()
	service.StreamingInputCall = func(
		c testservice.Call, in testservice.Receiver[inputRequest],
	) (*inputResponse, error) {
		for sum := 0; ; {
			select {
			case <-turn:
			case <-c.Context().Done():
				return nil, c.Context().Err()
			}
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return &inputResponse{AggregatedPayloadSize: int32(sum)}, nil
			}
			if err != nil {
				return nil, err
			}
			sum += len(req.GetPayload().GetBody())
		}
	}
	c := p.dial(t, p.serve(t, serving{service: service, window: 65535}))
	s := begin[input](t)(c.StreamingInputCall(within(t), options{}))
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for i := range chunks {
			if err := s.Send(&inputRequest{Payload: &testpb.Payload{Body: noise(chunk, uint64(i))}}); err != nil {
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
	want(t, "Send", <-done)
	go take(t, turn) // the end
	res, err := s.CloseAndRecv()
	want(t, "CloseAndRecv", err)
	if got := int(res.GetAggregatedPayloadSize()); got != chunks*chunk {
		t.Errorf("server got %d bytes of %d", got, chunks*chunk)
	}
}

// take gives the server a turn, unless the call has ended.
func take(t *testing.T, turn chan<- struct{}) {
	select {
	case turn <- struct{}{}:
	case <-within(t).Done():
	}
}
