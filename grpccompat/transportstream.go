package grpccompat

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/server"
)

// transportStream is where grpc.SetHeader and the like leave the metadata of a response: a
// [grpc.ServerTransportStream].
type transportStream struct {
	ctx    context.Context //nolint:containedctx // the call's own, as the server has made it
	method string
	report *serverReport // nil: nobody observes
}

var _ grpc.ServerTransportStream = (*transportStream)(nil)

func (s *transportStream) Method() string { return s.method }

func (s *transportStream) SetHeader(md metadata.MD) error {
	err := internal(server.SetHeader(s.ctx, fromMD(md)))
	if err == nil {
		s.report.addHeader(md)
	}
	return err
}

func (s *transportStream) SendHeader(md metadata.MD) error {
	err := internal(server.SendHeader(s.ctx, fromMD(md)))
	if err == nil {
		s.report.addHeader(md)
		s.report.sentHeader()
	}
	return err
}

func (s *transportStream) SetTrailer(md metadata.MD) error {
	err := internal(server.SetTrailer(s.ctx, fromMD(md)))
	if err == nil {
		s.report.addTrailer(md)
	}
	return err
}

// internal is an error that says what was wrong with metadata, or why the call has ended.
func internal(err error) error {
	if err == nil {
		return nil
	}
	if err = toGRPC(err); status.Code(err) == codes.Unknown {
		return status.Error(codes.Internal, err.Error())
	}
	return err
}
