package parity

import (
	"context"
	"errors"
	"io"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// batchCaller is no style at all: batches, tags and completion queues.
type batchCaller struct{ *client.Channel }

func dialBatch(d Dialing) (Caller, error) {
	ch, err := NewChannel(d)
	return batchCaller{ch}, err
}

// Unary is a single batch of all six operations, one event.
func (c batchCaller) Unary(ctx context.Context, req []byte, o Options) ([]byte, error) {
	q := cq.New()
	defer q.Close(context.Background())
	m := o.named(unaryMethod)
	var p client.Prepared
	c.Channel.Prepare(ctx, &p, q, m.Name, true, asCallOptions(o)...)
	defer p.Call.Close()
	var header, trailer cqrpc.Metadata
	var st cqrpc.Status
	res := new(Message)
	err := p.Call.StartBatch([]call.Op{
		call.SendInitialMetadata(p.Metadata),
		call.SendValue(&Message{Value: req}),
		call.SendClose(),
		call.RecvInitialMetadata(&header),
		call.RecvValue(res, nil),
		call.RecvStatus(&st, &trailer),
	}, m)
	if err != nil {
		return nil, cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	if ev := q.Next(context.Background()); ev.Tag != m || !ev.OK {
		return nil, cqrpc.Errorf(cqrpc.CodeInternal, "event %v: RECV_STATUS makes its batch succeed", ev)
	}
	p.Tell(header, trailer)
	return res.GetValue(), st.Err()
}

// batchStream is a streaming call. Each direction has one batch outstanding at
// most; its tag is the kind of what it waits for.
type batchStream struct {
	client.Prepared
	queue  *cq.Queue
	header cqrpc.Metadata
	headed bool // header is valid

	status  cqrpc.Status // valid once ended
	trailer cqrpc.Metadata
	ended   bool
}

// open starts a stream: headers out, and both ends of the response awaited from
// the beginning, the status too.
func (c batchCaller) open(ctx context.Context, m method, o Options) (*batchStream, error) {
	s := &batchStream{queue: cq.NewPluck()}
	c.Channel.Prepare(ctx, &s.Prepared, s.queue, m.Name, m.Shape == call.ClientStream, asCallOptions(o)...)
	batches := [][]call.Op{
		{call.SendInitialMetadata(s.Metadata)},
		{call.RecvInitialMetadata(&s.header)},
		{call.RecvStatus(&s.status, &s.trailer)},
	}
	for _, ops := range batches {
		if err := s.Call.StartBatch(ops, ops[0].Kind()); err != nil {
			return nil, cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
		}
	}
	return s, nil
}

func (s *batchStream) pluck(tag call.OpKind) cq.Event {
	return s.queue.Pluck(context.Background(), tag)
}

func (s *batchStream) Send(req []byte) error { return s.send(call.SendValue(&Message{Value: req})) }

// SendBuffer implements BufferSender. A batch that is rejected is a mistake of
// this caller's, and with it goes the buffer.
func (s *batchStream) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.send(call.SendMessage(b).With(flags...))
}

func (s *batchStream) send(op call.Op) error {
	if err := s.Call.StartBatch([]call.Op{op}, call.SendMessageOp); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	if ev := s.pluck(call.SendMessageOp); !ev.OK {
		return io.EOF
	}
	return nil
}

func (s *batchStream) CloseSend() error {
	if err := s.Call.StartBatch([]call.Op{call.SendClose()}, call.SendCloseOp); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	s.pluck(call.SendCloseOp)
	return nil
}

func (s *batchStream) Recv() ([]byte, error) {
	res, got := new(Message), false
	if err := s.Call.StartBatch([]call.Op{call.RecvValue(res, &got)}, call.RecvMessageOp); err != nil {
		return nil, cqrpc.Errorf(cqrpc.CodeInternal, "%w", err)
	}
	if s.pluck(call.RecvMessageOp); got {
		return res.GetValue(), nil
	}
	return nil, s.end()
}

// end waits for the status. It is called by the goroutine that receives.
func (s *batchStream) end() error {
	if !s.ended {
		s.pluck(call.RecvStatusOp)
		s.ended = true
		s.head()
		s.Tell(s.header, s.trailer)
		s.Call.Close()
	}
	if err := s.status.Err(); err != nil {
		return err
	}
	return io.EOF
}

// head waits for the initial metadata. It is called by the goroutine that
// receives.
func (s *batchStream) head() {
	if !s.headed {
		s.pluck(call.RecvInitialMetadataOp)
		s.headed = true
	}
}

func (s *batchStream) Header() (cqrpc.Metadata, error) {
	s.head()
	return s.header, nil
}

func (s *batchStream) Trailer() cqrpc.Metadata { return s.trailer }

// CloseAndRecv implements Input.
func (s *batchStream) CloseAndRecv() ([]byte, error) {
	if err := s.CloseSend(); err != nil {
		return nil, err
	}
	res, err := s.Recv()
	if err != nil {
		return nil, err
	}
	if err := s.end(); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return res, nil
}

func (c batchCaller) ServerStream(ctx context.Context, req []byte, o Options) (Output, error) {
	s, err := c.open(ctx, o.named(serverStreamMethod), o)
	if err != nil {
		return nil, err
	}
	if err := s.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s, s.CloseSend()
}

func (c batchCaller) ClientStream(ctx context.Context, o Options) (Input, error) {
	return c.open(ctx, o.named(clientStreamMethod), o)
}

func (c batchCaller) BidiStream(ctx context.Context, o Options) (Duplex, error) {
	return c.open(ctx, o.named(bidiStreamMethod), o)
}
