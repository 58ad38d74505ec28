package grpccompat_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/parity"
)

func open(t *testing.T, ctx context.Context, stub testpb.TestServiceClient, opts ...grpc.CallOption) testpb.TestService_FullDuplexCallClient {
	t.Helper()
	s, err := stub.FullDuplexCall(ctx, opts...)
	parity.Want(t, "FullDuplexCall", err)
	return s
}

// io.EOF is the end with OK, for ever; CloseSend may be called again, Send may not.
func TestEndOfAStream(t *testing.T) {
	everywhere(t, &service{duplex: echo}, func(t *testing.T, stub testpb.TestServiceClient) {
		s := open(t, parity.Within(t), stub)
		parity.Want(t, "Send", s.Send(ask(3)))
		parity.Want(t, "CloseSend", s.CloseSend())
		parity.Want(t, "CloseSend again", s.CloseSend())
		res, err := s.Recv()
		parity.Want(t, "Recv", err)
		if n := len(res.GetPayload().GetBody()); n != 3 {
			t.Errorf("%d bytes; want 3", n)
		}
		for range 2 {
			_, err = s.Recv()
			wantEOF(t, "Recv at the end", err)
		}

		s = open(t, parity.Within(t), stub)
		parity.Want(t, "CloseSend", s.CloseSend())
		wantCode(t, "Send after CloseSend", s.Send(ask(1)), codes.Internal)
	})
}

// A status comes with its details, once the messages before it were read, and the trailer
// with it. Header blocks until there is one.
func TestStatusOfAStream(t *testing.T) {
	detailed, err := status.New(codes.NotFound, "no\nsuch thing").WithDetails(&testpb.EchoStatus{Code: 7})
	parity.Want(t, "WithDetails", err)
	serve := &service{duplex: func(s duplex) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("t", "1", "t-bin", "\x00\xff"))
		if err := s.SetHeader(metadata.Pairs("h", "1")); err != nil {
			return err
		}
		if err := s.SendHeader(metadata.Pairs("h", "2", "h-bin", "\x00\xff")); err != nil {
			return err
		}
		if err := s.Send(answer(1)); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("t", "2"))
		return detailed.Err()
	}}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		s := open(t, parity.Within(t), stub)
		header := make(chan metadata.MD, 1)
		go func() {
			md, err := s.Header()
			if err != nil {
				t.Error(err)
			}
			header <- md
		}()
		select {
		case md := <-header:
			t.Errorf("there is a header, %v, and nothing was sent", md)
		default:
		}
		parity.Want(t, "Send", s.Send(ask(1)))
		md := <-header
		wantValues(t, md, "h", "1", "2")
		wantValues(t, md, "h-bin", "\x00\xff")
		_, err := s.Recv()
		parity.Want(t, "Recv", err)
		_, err = s.Recv()
		wantDetails(t, err, codes.NotFound, "no\nsuch thing")
		if errors.Is(err, status.Error(codes.NotFound, "no\nsuch thing")) || !errors.Is(err, detailed.Err()) {
			t.Error("errors.Is does not compare statuses as grpc-go's errors do")
		}
		wantValues(t, s.Trailer(), "t", "1", "2")
		wantValues(t, s.Trailer(), "t-bin", "\x00\xff")
		if md, err := s.Header(); err != nil || len(md.Get("h")) != 2 {
			t.Errorf("afterwards the header is %v, %v", md, err)
		}
		if p, ok := peer.FromContext(s.Context()); !ok || p.Addr == nil {
			t.Errorf("the stream's context has the peer %v", p)
		}
	})
}

func wantValues(t *testing.T, md metadata.MD, key string, want ...string) {
	t.Helper()
	got := md.Get(key)
	if len(got) != len(want) {
		t.Fatalf("%s is %q; want %q", key, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s is %q; want %q", key, got, want)
		}
	}
}

func wantDetails(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	wantCode(t, "the end", err, code)
	st := status.Convert(err)
	if st.Message() != message || len(st.Details()) != 1 || st.Details()[0].(*testpb.EchoStatus).GetCode() != 7 {
		t.Errorf("status %v, details %v", st, st.Details())
	}
	if want := status.FromProto(st.Proto()).Err().Error(); err.Error() != want {
		t.Errorf("text %q; want %q", err.Error(), want)
	}
}

// A stream that ends without headers has none, which is no error: RecvMsg tells.
func TestStreamWithoutHeader(t *testing.T) {
	everywhere(t, &service{duplex: func(duplex) error { return status.Error(codes.Aborted, "no") }},
		func(t *testing.T, stub testpb.TestServiceClient) {
			s := open(t, parity.Within(t), stub)
			if md, err := s.Header(); md != nil || err != nil {
				t.Errorf("header %v, %v; want nothing", md, err)
			}
			_, err := s.Recv()
			wantCode(t, "Recv", err, codes.Aborted)
		})
}

// Who sends on a stream that has ended is told io.EOF, and the status by RecvMsg.
func TestSendAfterTheEnd(t *testing.T) {
	everywhere(t, &service{duplex: func(duplex) error { return status.Error(codes.Aborted, "no") }},
		func(t *testing.T, stub testpb.TestServiceClient) {
			s := open(t, parity.Within(t), stub)
			var err error
			for err == nil {
				err = s.Send(ask(1))
			}
			wantEOF(t, "Send", err)
			_, err = s.Recv()
			wantCode(t, "Recv", err, codes.Aborted)
		})
}

// With one response the status is read with it: a message and an error are an error.
func TestOneResponse(t *testing.T) {
	serve := &service{up: func(s testpb.TestService_StreamingInputCallServer) error {
		total := 0
		for {
			req, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			total += len(req.GetPayload().GetBody())
		}
		if err := s.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)}); err != nil {
			return err
		}
		if total > 2 {
			return status.Error(codes.DataLoss, "rolled back")
		}
		return nil
	}}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		for n, code := range map[int]codes.Code{2: codes.OK, 3: codes.DataLoss} {
			s, err := stub.StreamingInputCall(parity.Within(t))
			parity.Want(t, "StreamingInputCall", err)
			for range n {
				req := &testpb.StreamingInputCallRequest{Payload: &testpb.Payload{Body: []byte("x")}}
				parity.Want(t, "Send", s.Send(req))
			}
			res, err := s.CloseAndRecv()
			wantCode(t, "CloseAndRecv", err, code)
			if code == codes.OK && res.GetAggregatedPayloadSize() != int32(n) {
				t.Errorf("response %v", res)
			}
			wantEndOrSame := s.RecvMsg(new(testpb.StreamingInputCallResponse))
			if code == codes.OK {
				wantEOF(t, "RecvMsg again", wantEndOrSame)
			} else {
				wantCode(t, "RecvMsg again", wantEndOrSame, code)
			}
		}
	})
}

// A client that expects a message and gets an OK alone is told so.
func TestNoResponse(t *testing.T) {
	stub := withOurs(t, &service{up: func(testpb.TestService_StreamingInputCallServer) error { return nil }})
	s, err := stub.StreamingInputCall(parity.Within(t))
	parity.Want(t, "StreamingInputCall", err)
	_, err = s.CloseAndRecv()
	wantCode(t, "CloseAndRecv", err, codes.Unimplemented)
}

// The end of the context ends a stream at both ends, read or not, and leaves nothing
// behind: neither a goroutine nor what has arrived.
func TestCancelledStream(t *testing.T) {
	ended := make(chan error, 1)
	serve := &service{duplex: func(s duplex) error {
		for range 3 {
			_ = s.Send(answer(1000)) // the client may be gone already
		}
		<-s.Context().Done()
		_, err := s.Recv()
		ended <- err
		return s.Context().Err()
	}}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		leak.Buffers(t)
		for _, isRead := range []bool{true, false} {
			ctx, cancel := context.WithCancel(parity.Within(t))
			s := open(t, ctx, stub)
			_, err := s.Recv()
			parity.Want(t, "Recv", err)
			cancel()
			wantCode(t, "the handler's Recv", <-ended, codes.Canceled)
			if !isRead {
				continue
			}
			for err == nil {
				_, err = s.Recv()
			}
			wantCode(t, "Recv", err, codes.Canceled)
			for err = nil; err == nil; {
				err = s.Send(ask(1))
			}
			wantEOF(t, "Send", err)
		}
	})
}

func TestDeadline(t *testing.T) {
	serve := &service{duplex: func(s duplex) error { <-s.Context().Done(); return s.Context().Err() }}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		ctx, cancel := context.WithTimeout(parity.Within(t), 20*time.Millisecond)
		defer cancel()
		s, err := stub.FullDuplexCall(ctx)
		if err == nil {
			_, err = s.Recv()
		}
		wantCode(t, "Recv", err, codes.DeadlineExceeded)
	})
}

// What our errors have besides: package errors finds contexts and the cqrpc.Error.
func TestErrorsOfBothWorlds(t *testing.T) {
	stub := withOurs(t, &service{empty: func(ctx context.Context) error { <-ctx.Done(); return nil }})
	ctx, cancel := context.WithTimeout(parity.Within(t), time.Millisecond)
	defer cancel()
	_, err := stub.EmptyCall(ctx, new(testpb.Empty))
	e, ok := errors.AsType[*cqrpc.Error](err)
	if !ok || e.Status.Code != cqrpc.CodeDeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %#v", err)
	}
	wantCode(t, "EmptyCall", err, codes.DeadlineExceeded)
}

// A stream does not begin without a connection, nor in a context that has ended.
func TestStreamThatDoesNotBegin(t *testing.T) {
	lis := listen(t)
	address := lis.Addr().String()
	lis.Close() // nobody listens there
	for _, from := range []maker{ours, reference} {
		t.Run(from.name, func(t *testing.T) {
			stub := testpb.NewTestServiceClient(from.dial(t, nil, address))
			_, err := stub.FullDuplexCall(parity.Within(t))
			wantCode(t, "no server", err, codes.Unavailable)
			_, err = stub.StreamingOutputCall(parity.Within(t), ask(1))
			wantCode(t, "no server", err, codes.Unavailable)
			_, err = stub.EmptyCall(parity.Within(t), new(testpb.Empty))
			wantCode(t, "no server", err, codes.Unavailable)

			ctx, cancel := context.WithTimeout(parity.Within(t), 20*time.Millisecond)
			defer cancel()
			_, err = stub.FullDuplexCall(ctx, grpc.WaitForReady(true))
			wantCode(t, "WaitForReady", err, codes.DeadlineExceeded)
			cancel()
			ctx, cancel = context.WithCancel(parity.Within(t))
			cancel()
			_, err = stub.FullDuplexCall(ctx)
			wantCode(t, "a context that has ended", err, codes.Canceled)
		})
	}
}

// The same on a channel that is ready.
func TestEndedContextOnAConnection(t *testing.T) {
	everywhere(t, &service{empty: func(context.Context) error { return nil }, duplex: echo},
		func(t *testing.T, stub testpb.TestServiceClient) {
			_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
			parity.Want(t, "EmptyCall", err)
			ctx, cancel := context.WithCancel(parity.Within(t))
			cancel()
			_, err = stub.FullDuplexCall(ctx)
			wantCode(t, "FullDuplexCall", err, codes.Canceled)
			_, err = stub.EmptyCall(ctx, new(testpb.Empty))
			wantCode(t, "EmptyCall", err, codes.Canceled)
		})
}

// What is wrong with a message on this side is the error of SendMsg itself, and of Invoke.
func TestUnsendableMessages(t *testing.T) {
	everywhere(t, &service{duplex: echo}, func(t *testing.T, stub testpb.TestServiceClient) {
		s := open(t, parity.Within(t), stub)
		wantCode(t, "SendMsg of a string", s.SendMsg("no message"), codes.Internal)
		if _, err := s.Recv(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Recv afterwards: %v", err)
		}
		s = open(t, parity.Within(t), stub, grpc.MaxCallSendMsgSize(10))
		large := ask(1)
		large.Payload = &testpb.Payload{Body: make([]byte, 100)}
		wantCode(t, "Send of a large one", s.Send(large), codes.ResourceExhausted)
		_, err := stub.StreamingOutputCall(parity.Within(t), large, grpc.MaxCallSendMsgSize(10))
		wantCode(t, "a large one alone", err, codes.ResourceExhausted)
	})
}

// A stream that a message has ended need not be read: what has arrived is let go of.
func TestUnsendableMessageOfAStreamUnread(t *testing.T) {
	leak.Buffers(t)
	stub := withOurs(t, &service{duplex: func(s duplex) error {
		for range 3 {
			_ = s.Send(answer(1000))
		}
		<-s.Context().Done()
		return nil
	}})
	for range 20 {
		s := open(t, parity.Within(t), stub, grpc.MaxCallSendMsgSize(10))
		_, err := s.Recv()
		parity.Want(t, "Recv", err)
		large := ask(1)
		large.Payload = &testpb.Payload{Body: make([]byte, 100)}
		wantCode(t, "Send of a large message", s.Send(large), codes.ResourceExhausted)
		if md, err := s.Header(); md == nil || err != nil {
			t.Errorf("header %v, %v", md, err)
		}
	}
}

// Connections that are lost are UNAVAILABLE, and so is a channel that was closed.
func TestClosedChannel(t *testing.T) {
	begun := make(chan struct{}, 1)
	address := serve(t, nil, (&service{duplex: func(s duplex) error {
		begun <- struct{}{}
		<-s.Context().Done()
		return nil
	}}).register)
	ch, err := client.NewChannel("passthrough:///"+address, client.WithInsecure())
	parity.Want(t, "NewChannel", err)
	stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(ch))
	finished := make(chan error, 1)
	s := open(t, parity.Within(t), stub, grpc.OnFinish(func(err error) { finished <- err }))
	<-begun
	parity.Want(t, "Close", ch.Close())
	wantCode(t, "OnFinish of a stream that nobody reads", <-finished, codes.Unavailable)
	_, err = s.Recv()
	wantCode(t, "Recv", err, codes.Unavailable)
	_, err = stub.FullDuplexCall(parity.Within(t))
	wantCode(t, "a new stream", err, codes.Unavailable)
}
