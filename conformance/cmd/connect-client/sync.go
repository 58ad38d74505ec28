package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/conformance/internal/connect"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// performSync makes calls in the sync style.
func performSync(ctx context.Context, ch *client.Channel, o *connect.Order, opts []client.CallOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := syncCall{ctx, cancel, ch, o, opts}
	switch name := o.Method(); name {
	case connect.Unary.Name:
		return unary(s, connect.Unary)
	case connect.Unimplemented.Name:
		return unary(s, connect.Unimplemented)
	case connect.ServerStream.Name:
		return s.serverStream()
	case connect.ClientStream.Name:
		return s.clientStream()
	case connect.BidiStream.Name:
		return s.bidiStream()
	default:
		return fmt.Errorf("there is no method %s over gRPC", name)
	}
}

// syncCall is a call being made.
type syncCall struct {
	ctx    context.Context //nolint:containedctx // that of the one call which this is
	cancel context.CancelFunc
	ch     *client.Channel
	order  *connect.Order
	opts   []client.CallOption
}

// cancelLater cancels the call as long after the end of its requests as the
// order says, if it does, while the caller waits for the response.
func (s *syncCall) cancelLater() {
	if s.order.CancelAfterClose != connect.Never {
		time.AfterFunc(s.order.CancelAfterClose, s.cancel)
	}
}

// cancelClosed cancels the call likewise, before anything is received.
func (s *syncCall) cancelClosed() {
	if s.order.CancelAfterClose != connect.Never {
		time.Sleep(s.order.CancelAfterClose)
		s.cancel()
	}
}

// received reports a response.
func (s *syncCall) received(p *connectpb.ConformancePayload) {
	if s.order.Received(p) {
		s.cancel()
	}
}

func unary[Req, Res any](s syncCall, m call.Method[Req, Res]) error {
	req := new(Req)
	if err := s.order.Request(0, any(req).(proto.Message)); err != nil {
		return err
	}
	var header, trailer cqrpc.Metadata
	time.Sleep(s.order.Delay())
	s.cancelLater()
	res, err := client.Unary(s.ctx, s.ch, m, req, append(s.opts, client.HeaderTo(&header), client.TrailerTo(&trailer))...)
	if r, ok := any(res).(*connectpb.UnaryResponse); ok && err == nil {
		s.received(r.GetPayload())
	}
	s.order.Ended(header, trailer, err)
	return nil
}

func (s *syncCall) serverStream() error {
	req := new(connectpb.ServerStreamRequest)
	if err := s.order.Request(0, req); err != nil {
		return err
	}
	time.Sleep(s.order.Delay())
	stream, err := client.ServerStream(s.ctx, s.ch, connect.ServerStream, req, s.opts...)
	if err != nil {
		return err
	}
	defer stream.Close()
	s.cancelClosed()
	for err == nil {
		var res *connectpb.ServerStreamResponse
		if res, err = stream.Recv(); err == nil {
			s.received(res.GetPayload())
		}
	}
	s.ended(stream, err)
	return nil
}

// ending is what all streams tell at their end.
type ending interface {
	Header() (cqrpc.Metadata, error)
	Trailer() cqrpc.Metadata
}

func (s *syncCall) ended(stream ending, err error) {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	header, _ := stream.Header() // the error is that of the call
	s.order.Ended(header, stream.Trailer(), err)
}

func (s *syncCall) clientStream() error {
	stream, err := client.ClientStream(s.ctx, s.ch, connect.ClientStream, s.opts...)
	if err != nil {
		return err
	}
	defer stream.Close()
	for i := range s.order.Requests() {
		req := new(connectpb.ClientStreamRequest)
		if err := s.order.Request(i, req); err != nil {
			return err
		}
		time.Sleep(s.order.Delay())
		if err := stream.Send(req); err != nil {
			s.order.Unsent(i)
			break
		}
	}
	if s.order.CancelUnclosed {
		s.cancel()
	}
	s.cancelLater()
	res, err := stream.CloseAndRecv()
	if err == nil {
		s.received(res.GetPayload())
	}
	s.ended(stream, err)
	return nil
}

func (s *syncCall) bidiStream() error {
	stream, err := client.BidiStream(s.ctx, s.ch, connect.BidiStream, s.opts...)
	if err != nil {
		return err
	}
	defer stream.Close()
	recv := func() error {
		res, err := stream.Recv()
		if err == nil {
			s.received(res.GetPayload())
		}
		return err
	}
	for i := range s.order.Requests() {
		req := new(connectpb.BidiStreamRequest)
		if err := s.order.Request(i, req); err != nil {
			return err
		}
		time.Sleep(s.order.Delay())
		if err := stream.Send(req); err != nil {
			s.order.Unsent(i)
			break
		}
		if !s.order.IsFullDuplex() {
			continue
		}
		if err = recv(); err != nil {
			break
		}
	}
	return s.rest(stream, recv)
}

// rest ends the requests and receives what is left.
func (s *syncCall) rest(
	stream *client.BidiStreamCall[connectpb.BidiStreamRequest, connectpb.BidiStreamResponse], recv func() error,
) error {
	if s.order.CancelUnclosed {
		s.cancel()
	} else if err := stream.CloseSend(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.cancelClosed()
	var err error
	for err == nil {
		err = recv()
	}
	s.ended(stream, err)
	return nil
}
