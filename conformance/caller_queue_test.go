package conformance

import (
	"context"
	"io"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/cq"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// queueCaller is cqrpc without a style: batches, tags and completion queues.
type queueCaller struct{ *client.Channel }

func dialQueue(d dialing) (caller, error) {
	ch, err := dialChannel(d)
	return queueCaller{ch}, err
}

func (c queueCaller) EmptyCall(ctx context.Context, req *testpb.Empty, o options) (*testpb.Empty, error) {
	res := new(testpb.Empty)
	return res, c.one(ctx, testservice.EmptyCall.Name, req, res, o)
}

func (c queueCaller) UnaryCall(
	ctx context.Context, req *testpb.SimpleRequest, o options,
) (*testpb.SimpleResponse, error) {
	res := new(testpb.SimpleResponse)
	return res, c.one(ctx, testservice.UnaryCall.Name, req, res, o)
}

func (c queueCaller) Invoke(ctx context.Context, method string) error {
	return c.one(ctx, method, new(testpb.Empty), new(testpb.Empty), options{})
}

// newCall makes a call that ends with ctx, whose deadline is the call's own
// business. CallOptions say the metadata only to the sync style.
func (c queueCaller) newCall(ctx context.Context, q *cq.Queue, method string, o options) *call.Call {
	opts := asCallOptions(o)
	if t, ok := ctx.Deadline(); ok {
		opts = append(opts, client.WithDeadline(t))
	}
	k := c.Channel.NewCall(q, method, opts...)
	cancel := func() {
		if ctx.Err() == context.Canceled {
			k.Cancel()
		}
	}
	cancel() // before it has begun
	context.AfterFunc(ctx, cancel)
	return k
}

// one makes a call with one request and one response: a single batch of all six
// operations, one event.
func (c queueCaller) one(ctx context.Context, method string, req, res any, o options) error {
	q := cq.New()
	defer q.Close(context.Background())
	k := c.newCall(ctx, q, method, o)
	defer k.Close()
	var header, trailer cqrpc.Metadata
	var st cqrpc.Status
	err := k.StartBatch([]call.Op{
		call.SendInitialMetadata(o.metadata),
		call.SendValue(req),
		call.SendClose(),
		call.RecvInitialMetadata(&header),
		call.RecvValue(res, nil),
		call.RecvStatus(&st, &trailer),
	}, method)
	if err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	if ev := q.Next(context.Background()); ev.Tag != method || !ev.OK {
		return cqrpc.Errorf(cqrpc.CodeInternal, "event %v: RECV_STATUS makes its batch succeed", ev)
	}
	if o.header != nil {
		*o.header = header
	}
	if o.trailer != nil {
		*o.trailer = trailer
	}
	return st.Err()
}

// queueStream is a streaming call. Each direction has one batch outstanding at
// most; its tag is the kind of what it waits for.
type queueStream struct {
	call   *call.Call
	queue  *cq.Queue
	header cqrpc.Metadata

	status  cqrpc.Status // valid once ended
	trailer cqrpc.Metadata
	ended   bool
}

// open starts a stream: headers out, and both ends of the response awaited from
// the beginning, the status too.
func (c queueCaller) open(ctx context.Context, method string, o options) (*queueStream, error) {
	s := &queueStream{queue: cq.NewPluck()}
	s.call = c.newCall(ctx, s.queue, method, o)
	batches := [][]call.Op{
		{call.SendInitialMetadata(o.metadata)},
		{call.RecvInitialMetadata(&s.header)},
		{call.RecvStatus(&s.status, &s.trailer)},
	}
	for _, ops := range batches {
		if err := s.call.StartBatch(ops, ops[0].Kind()); err != nil {
			return nil, cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
		}
	}
	return s, nil
}

func (s *queueStream) pluck(tag call.OpKind) cq.Event {
	return s.queue.Pluck(context.Background(), tag)
}

func (s *queueStream) send(req any) error {
	if err := s.call.StartBatch([]call.Op{call.SendValue(req)}, call.SendMessageOp); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	if ev := s.pluck(call.SendMessageOp); !ev.OK {
		return io.EOF
	}
	return nil
}

func (s *queueStream) CloseSend() error {
	if err := s.call.StartBatch([]call.Op{call.SendClose()}, call.SendCloseOp); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	s.pluck(call.SendCloseOp)
	return nil
}

func (s *queueStream) recv(res any) error {
	got := false
	if err := s.call.StartBatch([]call.Op{call.RecvValue(res, &got)}, call.RecvMessageOp); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	if s.pluck(call.RecvMessageOp); got {
		return nil
	}
	return s.end()
}

// end waits for the status. It is called by the goroutine that receives.
func (s *queueStream) end() error {
	if !s.ended {
		s.pluck(call.RecvStatusOp)
		s.ended = true
		s.call.Close()
	}
	if err := s.status.Err(); err != nil {
		return err
	}
	return io.EOF
}

func (s *queueStream) Header() (cqrpc.Metadata, error) {
	s.pluck(call.RecvInitialMetadataOp)
	return s.header, nil
}

func (s *queueStream) Trailer() cqrpc.Metadata { return s.trailer }

// queueDuplex types the messages of FullDuplexCall and HalfDuplexCall.
type queueDuplex struct{ *queueStream }

func (s queueDuplex) Send(req *outputRequest) error { return s.send(req) }

func (s queueDuplex) Recv() (*outputResponse, error) {
	res := new(outputResponse)
	if err := s.recv(res); err != nil {
		return nil, err
	}
	return res, nil
}

// queueInput types the messages of StreamingInputCall.
type queueInput struct{ *queueStream }

func (s queueInput) Send(req *inputRequest) error { return s.send(req) }

func (s queueInput) CloseAndRecv() (*inputResponse, error) {
	if err := s.CloseSend(); err != nil {
		return nil, err
	}
	res := new(inputResponse)
	if err := s.recv(res); err != nil {
		return nil, err
	}
	if err := s.end(); err != io.EOF {
		return nil, err
	}
	return res, nil
}

func (c queueCaller) StreamingOutputCall(ctx context.Context, req *outputRequest, o options) (output, error) {
	s, err := c.open(ctx, testservice.StreamingOutputCall.Name, o)
	if err != nil {
		return nil, err
	}
	if err := s.send(req); err != nil && err != io.EOF {
		return nil, err
	}
	return queueDuplex{s}, s.CloseSend()
}

func (c queueCaller) StreamingInputCall(ctx context.Context, o options) (input, error) {
	s, err := c.open(ctx, testservice.StreamingInputCall.Name, o)
	return queueInput{s}, err
}

func (c queueCaller) FullDuplexCall(ctx context.Context, o options) (duplex, error) {
	s, err := c.open(ctx, testservice.FullDuplexCall.Name, o)
	return queueDuplex{s}, err
}

func (c queueCaller) HalfDuplexCall(ctx context.Context, o options) (duplex, error) {
	s, err := c.open(ctx, testservice.HalfDuplexCall.Name, o)
	return queueDuplex{s}, err
}
