package grpccompat

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// serverStream is the call of a handler, with the rules of [grpc.ServerStream].
type serverStream struct {
	ctx      context.Context //nolint:containedctx // a call lives as long as its context
	call     *call.Call
	messages *server.UntypedStream
	metadata transportStream
	peer     peer.Peer

	report *serverReport // nil: nobody observes
	// handler's goroutine
	hasReturned bool
	err         error // of the handler
}

var _ grpc.ServerStream = (*serverStream)(nil)

// accept makes the stream of a call, with a context in which grpc-go's functions find
// what they look for.
func (r *Registrar) accept(
	ctx context.Context, messages *server.UntypedStream, desc *grpc.StreamDesc,
) *serverStream {
	info, _ := server.Incoming(ctx)
	s := &serverStream{
		call: info.Call, messages: messages, peer: clientOf(info.Peer),
		metadata: transportStream{ctx: ctx, method: info.Method},
	}
	ctx = incoming(ctx, &info, &s.peer)
	if s.report = r.observers.observe(ctx, info.Call, desc); s.report != nil {
		ctx, s.metadata.report = s.report.ctx, s.report
	}
	s.ctx = grpc.NewContextWithServerTransportStream(ctx, &s.metadata)
	return s
}

// ends notes what the handler has returned, and returns it.
func (s *serverStream) ends(err error) error {
	s.hasReturned, s.err = true, err
	return err
}

// close tells of the end of the call. It is deferred: the handler may panic.
func (s *serverStream) close() {
	if s.report == nil {
		return
	}
	if !s.hasReturned {
		s.err = errPanicked
	}
	s.report.end(s.err)
}

var errReturned = cqrpc.Errorf(cqrpc.CodeCanceled, "the handler has returned")

var errPanicked = &cqrpc.Error{Status: server.StatusPanicked}

// Context implements [grpc.ServerStream].
func (s *serverStream) Context() context.Context { return s.ctx }

// SetHeader implements [grpc.ServerStream].
func (s *serverStream) SetHeader(md metadata.MD) error { return grpc.SetHeader(s.ctx, md) }

// SendHeader implements [grpc.ServerStream].
func (s *serverStream) SendHeader(md metadata.MD) error { return grpc.SendHeader(s.ctx, md) }

// SetTrailer implements [grpc.ServerStream]. There is no error to return: metadata that
// is illegal is not sent.
func (s *serverStream) SetTrailer(md metadata.MD) { _ = grpc.SetTrailer(s.ctx, md) }

// RecvMsg implements [grpc.ServerStream].
func (s *serverStream) RecvMsg(m any) error {
	if err := s.messages.Recv(m); err != nil {
		return toGRPC(err)
	}
	s.report.got(m)
	return nil
}

// SendMsg implements [grpc.ServerStream]: what goes wrong ends the call.
func (s *serverStream) SendMsg(m any) error {
	err := s.messages.Send(m)
	if _, isRejected := errors.AsType[*call.BatchError](err); isRejected {
		st := cqrpc.StatusOf(err)
		s.call.CancelWithStatus(st.Code, st.Message)
	}
	if err == nil && s.call.Finished() {
		if err = s.call.Err(); err == nil { // else a message was too large
			err = errReturned
		}
	}
	if err != nil {
		return toGRPC(err)
	}
	s.report.sent(m)
	return nil
}
