package grpccompat_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// A message that cannot be sent ends the stream while another goroutine receives: whoever
// finds the end tells what the options asked for, once.
func TestMistakeOfASenderWhileAnotherReceives(t *testing.T) {
	serve := &service{duplex: func(s duplex) error {
		if err := s.Send(answer(1)); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		for range 20 {
			var p peer.Peer
			finished := 0
			s := open(t, parity.Within(t), stub, grpc.Peer(&p), grpc.OnFinish(func(error) { finished++ }))
			_, err := s.Recv()
			parity.Want(t, "Recv", err)
			received := make(chan error, 1)
			go func() {
				_, err := s.Recv()
				received <- err
			}()
			wantCode(t, "SendMsg", s.SendMsg("no message"), codes.Internal)
			if p.Addr == nil || finished != 1 {
				t.Errorf("after SendMsg the peer is %v, and OnFinish was called %d times", p, finished)
			}
			wantCode(t, "the other goroutine's Recv", <-received, codes.Internal)
			if finished != 1 {
				t.Errorf("at the end OnFinish was called %d times", finished)
			}
		}
	})
}

// What a goroutine of a handler does after that has returned is as if it was cancelled, and so
// its context says.
func TestHandlerThatHasReturned(t *testing.T) {
	for name, end := range map[string]error{"OK": nil, "an error": status.Error(codes.Aborted, "no")} {
		receives, returned := make(chan struct{}), make(chan struct{})
		late := make(chan error, 3)
		serve := &service{duplex: func(s duplex) error {
			go func() {
				close(receives)
				_, err := s.Recv()
				late <- err
				<-returned
				_, err = s.Recv()
				late <- err
				late <- s.Send(answer(1))
			}()
			<-receives
			return end
		}}
		t.Run(name, func(t *testing.T) {
			everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
				receives, returned = make(chan struct{}), make(chan struct{})
				_, err := open(t, parity.Within(t), stub).Recv()
				if end == nil && !errors.Is(err, io.EOF) || end != nil && status.Code(err) != codes.Aborted {
					t.Errorf("Recv of the client: %v", err)
				}
				close(returned)
				for _, what := range []string{"Recv before", "Recv after", "Send after"} {
					wantCode(t, what, <-late, codes.Canceled)
				}
			})
		})
	}
}

// An interceptor or a stats handler that is nil is none.
func TestNilOptions(t *testing.T) {
	var d diary
	address := serveWith(t, nil, nil, []grpccompat.ServerOption{
		grpccompat.UnaryInterceptor(nil), grpccompat.ChainUnaryInterceptor(d.unaryServer("u")),
		grpccompat.StreamInterceptor(nil), grpccompat.ChainStreamInterceptor(nil),
		grpccompat.StatsHandler(nil),
	}, (&service{empty: func(context.Context) error { return nil }, duplex: echo}).register)
	stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(channel(t, nil, address),
		grpccompat.WithUnaryInterceptor(nil), grpccompat.WithChainUnaryInterceptor(nil, nil),
		grpccompat.WithStreamInterceptor(nil), grpccompat.WithChainStreamInterceptor(d.streamClient("s")),
		grpccompat.WithStatsHandler(nil),
	))
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
	parity.Want(t, "EmptyCall", err)
	d.want(t, "unary", "u gets "+testpb.TestService_EmptyCall_FullMethodName)
	s := open(t, parity.Within(t), stub)
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	wantEOF(t, "Recv", err)
	d.want(t, "stream", "s opens FullDuplexCall")
}

// failing is credentials that are not to be had.
type failing struct{ err error }

var _ credentials.PerRPCCredentials = failing{}

func (k failing) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, k.err
}

func (failing) RequireTransportSecurity() bool { return false }

// Credentials that fail do not end a call with a code that only servers use (gRFC A54).
func TestStatusOfCredentials(t *testing.T) {
	everywhere(t, &service{empty: func(context.Context) error { return nil }},
		func(t *testing.T, stub testpb.TestServiceClient) {
			for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
				want := code
				switch code {
				case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted,
					codes.OutOfRange, codes.DataLoss:
					want = codes.Internal
				}
				_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty),
					grpc.PerRPCCredentials(failing{status.Error(code, "no token")}))
				wantCode(t, code.String(), err, want)
			}
		})
}
