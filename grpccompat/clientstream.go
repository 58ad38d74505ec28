package grpccompat

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// clientStream is a call of any shape, with the rules of [grpc.ClientStream]. It has no
// goroutine: the ones that send and receive wait, each with a Waiter.
//
//	newStream  {INIT} {RECV_INIT}     SendMsg    {MESSAGE}, or {MESSAGE, CLOSE}
//	Header     waits for RECV_INIT    RecvMsg    {RECV_MESSAGE}, at the end {RECV_STATUS}
type clientStream struct {
	// immutable once newStream has returned
	ctx     context.Context //nolint:containedctx // a call lives as long as its context
	desc    *grpc.StreamDesc
	client  client.Prepared
	call    *call.Call
	outputs *outputs
	report  *clientReport // nil: nobody observes

	begun cq.Waiter // newStream

	send         cq.Waiter // sending goroutine
	isSendClosed bool      // sending goroutine

	recv cq.Waiter // receiving goroutine
	got  bool      // receiving goroutine

	headerOnce sync.Once
	header     cq.Waiter

	finishOnce sync.Once
	finish     cq.Waiter
	err        error // how the call ended; valid after finishOnce
}

var _ grpc.ClientStream = (*clientStream)(nil)

// newStream is a [grpc.Streamer].
func (cc *ClientConn) newStream(
	ctx context.Context, desc *grpc.StreamDesc, _ *grpc.ClientConn, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	report := cc.observe(ctx, desc, method, opts)
	if report != nil {
		ctx = report.ctx
	}
	t := cc.specOf(ctx, method, opts)
	if report != nil {
		t.output().onFinish = append([]func(error){report.end}, t.output().onFinish...)
	}
	if t.err != nil {
		t.outputs.fill(t.err)
		return nil, t.err
	}
	s := &clientStream{ctx: ctx, desc: desc, outputs: t.outputs, report: report}
	cc.channel.Prepare(ctx, &s.client, cq.Discard, method, !desc.ServerStreams, t.options...)
	s.call = s.client.Call
	if err := s.begin(cc.channel.State() == client.Ready); err != nil {
		return nil, err
	}
	s.outputs.follow(ctx, s.call)
	return s, nil
}

// begin sends the headers, and waits until they are out unless there is a connection.
func (s *clientStream) begin(isReady bool) error {
	var to cq.Completer = &s.begun
	if isReady {
		to = cq.Discard
	}
	err := s.call.StartBatchOn(to, []call.Op{call.SendInitialMetadata(s.client.Metadata)}, nil)
	if err != nil {
		return s.abort(err)
	}
	err = s.call.StartBatchOn(&s.header, []call.Op{call.RecvInitialMetadata(nil)}, nil)
	if err != nil {
		return s.abort(err)
	}
	if !isReady {
		s.call.Await(context.Background(), &s.begun) // the end of the call ends it, too
	}
	if s.call.Finished() && s.call.Err() != nil && s.call.Peer().Addr == nil {
		return s.finished()
	}
	s.report.sentHeader(s.call)
	return nil
}

// abort ends the call because of a mistake on this side, and returns its error. Another
// goroutine may be receiving.
func (s *clientStream) abort(err error) error {
	err = call.Misuse(err)
	st := cqrpc.StatusOf(err)
	s.call.CancelWithStatus(st.Code, st.Message)
	_ = s.finished() // how the call has ended, which may have been before the mistake
	return toGRPC(err)
}

// SendMsg implements [grpc.ClientStream].
func (s *clientStream) SendMsg(m any) error {
	if s.isSendClosed {
		return s.abort(errAfterClose)
	}
	if !s.desc.ClientStreams {
		return s.sendOnly(m)
	}
	ops := [1]call.Op{call.SendValue(m).With(call.BufferHint)}
	if err := s.call.StartBatchOn(&s.send, ops[:], nil); err != nil {
		return s.rejected(err)
	}
	if ev, _ := s.call.Await(context.Background(), &s.send); ev.OK {
		s.report.sent(m)
		return nil
	}
	return s.unsent()
}

var errAfterClose = errors.New("SendMsg called after CloseSend")

// sendOnly sends the only request of a method, and the end of requests with it. That the
// call has ended is no error here, generated code wants it so: RecvMsg tells. It does not
// wait: the message is encoded, and no more of them can gather.
func (s *clientStream) sendOnly(m any) error {
	s.isSendClosed = true
	wasOver := s.call.Finished()
	ops := [2]call.Op{call.SendValue(m), call.SendClose()}
	if err := s.call.StartBatchOn(cq.Discard, ops[:], nil); err != nil {
		return s.rejected(err)
	}
	if s.call.Finished() {
		if err := s.unsent(); !errors.Is(err, io.EOF) {
			return err
		}
	}
	if !wasOver { // if it is now, the answer has come since
		s.report.sent(m)
	}
	return nil
}

// rejected is the error of a message that cannot be sent, which ends the call, or of two
// goroutines that send at the same time, which does not.
func (s *clientStream) rejected(err error) error {
	if errors.Is(err, call.ErrTooManyOperations) {
		return toGRPC(call.Misuse(err))
	}
	return s.abort(err)
}

// unsent is the error of a message that did not go out: io.EOF, unless the call has ended
// because of this side, as of a message that is too large.
func (s *clientStream) unsent() error {
	e, ok := errors.AsType[*cqrpc.Error](s.call.Err())
	if !ok || e.Origin != cqrpc.OriginLocal {
		return io.EOF
	}
	switch e.Status.Code {
	case cqrpc.CodeCanceled, cqrpc.CodeDeadlineExceeded: // RecvMsg tells
		return io.EOF
	}
	return s.finished() // who got it need not receive
}

// CloseSend implements [grpc.ClientStream].
func (s *clientStream) CloseSend() error {
	if s.isSendClosed {
		return nil
	}
	s.isSendClosed = true
	if err := s.call.StartBatchOn(cq.Discard, []call.Op{call.SendClose()}, nil); err != nil {
		return s.rejected(err)
	}
	return nil
}

// RecvMsg implements [grpc.ClientStream].
func (s *clientStream) RecvMsg(m any) error {
	ops := [1]call.Op{call.RecvValue(m, &s.got)}
	if err := s.call.StartBatchOn(&s.recv, ops[:], nil); err != nil {
		return toGRPC(call.Misuse(err))
	}
	s.call.Await(context.Background(), &s.recv)
	s.report.gotHeader()
	if s.got {
		s.report.got(m)
	}
	if s.got && s.desc.ServerStreams {
		return nil
	}
	if err := s.finished(); err != nil || s.got {
		return err
	}
	return io.EOF
}

// finished waits for the end of the call and returns its error.
func (s *clientStream) finished() error {
	s.finishOnce.Do(func() {
		if err := s.call.StartBatchOn(&s.finish, []call.Op{call.RecvStatus(nil, nil)}, nil); err != nil {
			panic("BUG: grpccompat: " + err.Error())
		}
		s.call.Await(context.Background(), &s.finish)
		if err := s.call.Err(); err != nil {
			s.err = toGRPC(err)
		}
		if w := s.outputs; w != nil {
			w.gotHeader, w.gotTrailer, w.gotPeer = s.call.InitialMetadata(), s.call.TrailingMetadata(), s.call.Peer()
			w.fill(s.err)
		}
		s.call.Close()
	})
	return s.err
}

// Header implements [grpc.ClientStream].
func (s *clientStream) Header() (metadata.MD, error) {
	s.headerOnce.Do(func() { s.call.Await(context.Background(), &s.header) })
	s.report.gotHeader()
	if !s.call.HasInitialMetadata() {
		return nil, nil
	}
	return addTo(metadata.MD{}, s.call.InitialMetadata()), nil
}

// Trailer implements [grpc.ClientStream].
func (s *clientStream) Trailer() metadata.MD { return toMD(s.call.TrailingMetadata()) }

// Context implements [grpc.ClientStream]: that of the caller, with the peer as soon as
// there is one.
func (s *clientStream) Context() context.Context {
	if p := toPeer(s.call.Peer()); p != nil {
		return peer.NewContext(s.ctx, p)
	}
	return s.ctx
}
