package main

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/connect"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
	"github.com/cqrpc/cqrpc/server"
)

// registerSync serves the suite's service in the sync style.
func registerSync(srv *server.Server) error {
	return srv.Register(
		server.Unary(connect.Unary, syncUnary),
		server.Unary(connect.IdempotentUnary, syncIdempotentUnary),
		server.ClientStream(connect.ClientStream, syncClientStream),
		server.ServerStream(connect.ServerStream, syncServerStream),
		server.BidiStream(connect.BidiStream, syncBidiStream),
	)
}

func newScript(ctx context.Context, oneResponse bool) (*connect.Script, error) {
	scene, ok := ctx.(connect.Scene)
	if !ok {
		return nil, cqrpc.Errorf(cqrpc.CodeInternal, "context is a %T", ctx)
	}
	return connect.NewScript(scene, oneResponse), nil
}

func syncUnary(ctx context.Context, req *connectpb.UnaryRequest) (*connectpb.UnaryResponse, error) {
	p, err := answerOne(ctx, req)
	return &connectpb.UnaryResponse{Payload: p}, err
}

func syncIdempotentUnary(
	ctx context.Context, req *connectpb.IdempotentUnaryRequest,
) (*connectpb.IdempotentUnaryResponse, error) {
	p, err := answerOne(ctx, req)
	return &connectpb.IdempotentUnaryResponse{Payload: p}, err
}

// answerOne answers requests with one response.
func answerOne(ctx context.Context, requests ...proto.Message) (*connectpb.ConformancePayload, error) {
	s, err := newScript(ctx, true)
	if err != nil {
		return nil, err
	}
	for _, req := range requests {
		if err := s.Saw(req); err != nil {
			return nil, err
		}
	}
	if err := begin(ctx, s); err != nil {
		return nil, err
	}
	if err := pause(ctx, s); err != nil {
		return nil, err
	}
	if !s.HasNext() {
		return nil, s.End()
	}
	return s.Next(), nil
}

func syncClientStream(
	ctx context.Context, in *server.Receiver[connectpb.ClientStreamRequest],
) (*connectpb.ClientStreamResponse, error) {
	var requests []proto.Message
	for req, err := range in.All() {
		if err != nil {
			return nil, err
		}
		requests = append(requests, req)
	}
	p, err := answerOne(ctx, requests...)
	return &connectpb.ClientStreamResponse{Payload: p}, err
}

func syncServerStream(
	ctx context.Context, req *connectpb.ServerStreamRequest, out *server.Sender[connectpb.ServerStreamResponse],
) error {
	s, err := newScript(ctx, false)
	if err != nil {
		return err
	}
	if err := s.Saw(req); err != nil {
		return err
	}
	if err := begin(ctx, s); err != nil {
		return err
	}
	for s.HasNext() {
		if err := pause(ctx, s); err != nil {
			return err
		}
		if err := out.Send(&connectpb.ServerStreamResponse{Payload: s.Next()}); err != nil {
			return err
		}
	}
	return s.End()
}

func syncBidiStream(
	ctx context.Context, in *server.Receiver[connectpb.BidiStreamRequest],
	out *server.Sender[connectpb.BidiStreamResponse],
) error {
	s, err := newScript(ctx, false)
	if err != nil {
		return err
	}
	isFirst := true
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		if err := s.Saw(req); err != nil {
			return err
		}
		if isFirst {
			isFirst = false
			if err := begin(ctx, s); err != nil {
				return err
			}
		}
		if !s.IsFullDuplex() {
			continue
		}
		if !s.HasNext() {
			break
		}
		if err := sendNext(ctx, s, out); err != nil {
			return err
		}
	}
	for s.HasNext() {
		if err := sendNext(ctx, s, out); err != nil {
			return err
		}
	}
	return s.End()
}

func sendNext(ctx context.Context, s *connect.Script, out *server.Sender[connectpb.BidiStreamResponse]) error {
	if err := pause(ctx, s); err != nil {
		return err
	}
	return out.Send(&connectpb.BidiStreamResponse{Payload: s.Next()})
}

// begin sends the initial metadata and leaves the trailing.
func begin(ctx context.Context, s *connect.Script) error {
	if err := server.SetTrailer(ctx, s.Trailer()); err != nil {
		return err
	}
	return server.SendHeader(ctx, s.Header())
}

// pause waits as long as the script says.
func pause(ctx context.Context, s *connect.Script) error {
	if s.Delay() == 0 {
		return nil
	}
	t := time.NewTimer(s.Delay())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
