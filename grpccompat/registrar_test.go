package grpccompat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
)

// What a handler finds in its context, of a method with one request and of a stream.
func TestContextOfAHandler(t *testing.T) {
	look := func(ctx context.Context, method string) error {
		md, _ := metadata.FromIncomingContext(ctx)
		wants := map[string][]string{
			"k": {"1", "2"}, "k-bin": {"\x00\xff"}, "content-type": {"application/grpc"}, ":authority": {"name.test"},
		}
		for key, want := range wants {
			if got := md.Get(key); !slices.Equal(got, want) {
				return fmt.Errorf("%s is %q; want %q", key, got, want)
			}
		}
		if len(md.Get("user-agent")) != 1 {
			return fmt.Errorf("user-agent is %q", md.Get("user-agent"))
		}
		p, ok := peer.FromContext(ctx)
		if !ok || p.Addr == nil || p.LocalAddr == nil || p.AuthInfo != nil {
			return fmt.Errorf("peer is %v", p)
		}
		if got, ok := grpc.Method(ctx); !ok || got != method {
			return fmt.Errorf("method is %q; want %q", got, method)
		}
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("there is no deadline")
		}
		return nil
	}
	serve := &service{
		empty:  func(ctx context.Context) error { return look(ctx, testpb.TestService_EmptyCall_FullMethodName) },
		duplex: func(s duplex) error { return look(s.Context(), testpb.TestService_FullDuplexCall_FullMethodName) },
	}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		ctx := metadata.NewOutgoingContext(parity.Within(t), metadata.Pairs("k", "1", "k-bin", "\x00\xff"))
		ctx = metadata.AppendToOutgoingContext(ctx, "K", "2")
		_, err := stub.EmptyCall(ctx, new(testpb.Empty), grpc.CallAuthority("name.test"))
		parity.Want(t, "EmptyCall", err)
		s := open(t, ctx, stub, grpc.CallAuthority("name.test"))
		_, err = s.Recv()
		wantEOF(t, "FullDuplexCall", err)
	})
}

// Metadata of requests may be passed on as it is: what is not the application's is left
// out.
func TestMetadataPassedOn(t *testing.T) {
	var stub testpb.TestServiceClient
	backend := dial(t, nil, serve(t, nil, (&service{empty: func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		return grpc.SetHeader(ctx, md)
	}}).register))
	stub = withOurs(t, &service{empty: func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		var header metadata.MD
		_, err := testpb.NewTestServiceClient(backend).EmptyCall(
			metadata.NewOutgoingContext(ctx, md), new(testpb.Empty), grpc.Header(&header))
		if err != nil {
			return err
		}
		return grpc.SetTrailer(ctx, header)
	}})
	var trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(parity.Within(t), "k", "1")
	_, err := stub.EmptyCall(ctx, new(testpb.Empty), grpc.Trailer(&trailer))
	parity.Want(t, "EmptyCall", err)
	wantValues(t, trailer, "k", "1")
}

// Metadata goes out in an order, so that calls with the same have the same headers.
func TestMetadataIsSorted(t *testing.T) {
	var keys []string
	stub := withOurs(t, &service{empty: func(ctx context.Context) error {
		info, _ := server.Incoming(ctx)
		for _, p := range info.Metadata {
			if strings.HasPrefix(p.Key, "k") {
				keys = append(keys, p.Key)
			}
		}
		return nil
	}})
	md := make(metadata.MD)
	for c := 'a'; c <= 'z'; c++ { // in order they come by no accident
		md.Set("k"+string(c), "1")
	}
	_, err := stub.EmptyCall(metadata.NewOutgoingContext(parity.Within(t), md), new(testpb.Empty))
	parity.Want(t, "EmptyCall", err)
	if len(keys) != 26 || !slices.IsSorted(keys) {
		t.Errorf("keys %q", keys)
	}
}

// Metadata of the response, by all functions that there are for it.
func TestMetadataOfAResponse(t *testing.T) {
	set := func(ctx context.Context, isSent bool) error {
		err := errors.Join(
			grpc.SetHeader(ctx, metadata.Pairs("h", "1")), grpc.SetHeader(ctx, nil), grpc.SetTrailer(ctx, nil),
			grpc.SetTrailer(ctx, metadata.Pairs("t", "1")), grpc.SetTrailer(ctx, metadata.Pairs("t", "2")),
		)
		if !isSent {
			return errors.Join(err, grpc.SetHeader(ctx, metadata.Pairs("h", "2")))
		}
		err = errors.Join(err, grpc.SendHeader(ctx, metadata.Pairs("h", "2")))
		for what, again := range map[string]error{
			"SendHeader": grpc.SendHeader(ctx, metadata.Pairs("h", "3")),
			"SetHeader":  grpc.SetHeader(ctx, metadata.Pairs("h", "4")),
		} {
			if status.Code(again) != codes.Internal {
				err = errors.Join(err, fmt.Errorf("%s after SendHeader: %v", what, again))
			}
		}
		return err
	}
	for _, isSent := range []bool{false, true} {
		serve := &service{
			empty:  func(ctx context.Context) error { return set(ctx, isSent) },
			duplex: func(s duplex) error { return set(s.Context(), isSent) },
		}
		everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
			var header, trailer metadata.MD
			opts := []grpc.CallOption{grpc.Header(&header), grpc.Trailer(&trailer)}
			_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), opts...)
			parity.Want(t, "EmptyCall", err)
			wantValues(t, header, "h", "1", "2")
			wantValues(t, trailer, "t", "1", "2")
			header, trailer = nil, nil
			_, err = open(t, parity.Within(t), stub, opts...).Recv()
			wantEOF(t, "FullDuplexCall", err)
			wantValues(t, header, "h", "1", "2")
			wantValues(t, trailer, "t", "1", "2")
		})
	}
}

// Metadata that cannot be sent is an error.
func TestIllegalMetadata(t *testing.T) {
	bad := metadata.Pairs("k", "a\nb")
	serve := &service{empty: func(ctx context.Context) error {
		return errors.Join(grpc.SetHeader(ctx, bad), grpc.SendHeader(ctx, bad))
	}}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		_, err := stub.EmptyCall(metadata.NewOutgoingContext(parity.Within(t), bad), new(testpb.Empty))
		wantCode(t, "of a request", err, codes.Internal)
		_, err = stub.EmptyCall(parity.Within(t), new(testpb.Empty))
		wantCode(t, "of a response", err, codes.Internal)
	})
}

// coded is an error with a status of its own.
type coded struct{ *status.Status }

func (coded) Error() string                { return "coded" }
func (c coded) GRPCStatus() *status.Status { return c.Status }

// returned are errors that a handler returns, and the statuses they are.
func returned(t *testing.T) []returnedError {
	t.Helper()
	detailed, err := status.New(codes.NotFound, "where?").WithDetails(&testpb.EchoStatus{Code: 7})
	parity.Want(t, "WithDetails", err)
	return []returnedError{
		{"status", status.Error(codes.AlreadyExists, "it is there"), codes.AlreadyExists, "it is there", false},
		{"wrapped", fmt.Errorf("while: %w", status.Error(codes.Aborted, "no")), codes.Aborted,
			"while: rpc error: code = Aborted desc = no", false},
		{"with details", detailed.Err(), codes.NotFound, "where?", false},
		{"wrapped, with details", fmt.Errorf("so: %w", detailed.Err()), codes.NotFound, "so: rpc error: code = NotFound desc = where?", false},
		{"of another type", coded{status.New(codes.DataLoss, "gone")}, codes.DataLoss, "gone", false},
		{"plain", errors.New("plain"), codes.Unknown, "plain", false},
		{"cancelled", context.Canceled, codes.Canceled, "context canceled", false},
		{"deadline, wrapped", fmt.Errorf("x: %w", context.DeadlineExceeded), codes.DeadlineExceeded,
			"x: context deadline exceeded", false},
		{"an end of a stream", io.EOF, codes.Unknown, "EOF", false},
		{"an error that is OK", coded{status.New(codes.OK, "fine")}, codes.Unknown, "fine", true},
		{"one of ours", cqrpc.Errorf(cqrpc.CodeOutOfRange, "far"), codes.OutOfRange, "far", true},
		{"one of ours, wrapped", fmt.Errorf("x: %w", cqrpc.Errorf(cqrpc.CodeOutOfRange, "far")), codes.OutOfRange, "far", true},
		{"one of ours around a status", cqrpc.Errorf(cqrpc.CodeOutOfRange, "x: %w", status.Error(codes.Aborted, "no")),
			codes.OutOfRange, "x: rpc error: code = Aborted desc = no", true},
	}
}

type returnedError struct {
	name    string
	err     error
	code    codes.Code
	message string
	ours    bool // grpc-go does something else
}

// Handlers that were written for grpc-go return the same errors in the sync style.
func TestFromStatus(t *testing.T) {
	for _, test := range returned(t) {
		st := cqrpc.StatusOf(grpccompat.FromStatus(test.err))
		if codes.Code(st.Code) != test.code || st.Message != test.message {
			t.Errorf("%s: the status is %v; want %v: %s", test.name, st, test.code, test.message)
		}
		if want := len(status.Convert(test.err).Details()); len(st.Details) != want {
			t.Errorf("%s: %d details; want %d", test.name, len(st.Details), want)
		}
	}
	if err := grpccompat.FromStatus(nil); err != nil {
		t.Errorf("no error is %v", err)
	}
	_ = server.WithErrorMapper(grpccompat.FromStatus) // it fits
}

// What a handler returns is the status that the client gets.
func TestStatusOfAHandler(t *testing.T) {
	for _, test := range returned(t) {
		t.Run(test.name, func(t *testing.T) {
			s := &service{
				empty:  func(context.Context) error { return test.err },
				duplex: func(duplex) error { return test.err },
			}
			check := func(t *testing.T, stub testpb.TestServiceClient) {
				_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
				_, streamErr := open(t, parity.Within(t), stub).Recv()
				for _, err := range []error{err, streamErr} {
					wantCode(t, "the call", err, test.code)
					if got := status.Convert(err); got.Message() != test.message || (len(got.Details()) == 1) != (test.code == codes.NotFound) {
						t.Errorf("status %v with %v; want %q", got, got.Details(), test.message)
					}
				}
			}
			if test.ours {
				check(t, withOurs(t, s))
				return
			}
			everywhere(t, s, check)
		})
	}
}

// Mistakes of handlers end the call, and not the process.
func TestMistakesOfHandlers(t *testing.T) {
	serve := &service{
		empty: func(context.Context) error { panic("secret") },
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Username: "\xff"}, nil // no UTF-8: not to be marshalled
		},
		duplex: func(s duplex) error {
			if err := s.SendMsg("no message"); status.Code(err) != codes.Internal {
				t.Errorf("SendMsg: %v", err)
			}
			return nil
		},
		down: func(_ *request, s testpb.TestService_StreamingOutputCallServer) error {
			if err := s.Send(answer(100)); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("Send of a large message: %v", err)
			}
			return nil
		},
	}
	panics := make(chan any, 1)
	address := serveWith(t, nil, []server.Option{
		server.WithMaxSendMessage(50),
		server.WithPanicHandler(func(_ string, v any, _ []byte) { panics <- v }),
	}, nil, serve.register)
	stub := testpb.NewTestServiceClient(dial(t, nil, address))
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
	wantCode(t, "a panic", err, codes.Internal)
	if v := <-panics; v != "secret" || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, panic %v", err, v)
	}
	_, err = stub.UnaryCall(parity.Within(t), new(testpb.SimpleRequest))
	wantCode(t, "a response that cannot be marshalled", err, codes.Internal)
	_, err = open(t, parity.Within(t), stub).Recv()
	wantCode(t, "a message that is none", err, codes.Internal)
	down, err := stub.StreamingOutputCall(parity.Within(t), ask(1))
	parity.Want(t, "StreamingOutputCall", err)
	_, err = down.Recv()
	wantCode(t, "a message that is too large", err, codes.ResourceExhausted)
}

// Who has a certificate is known by it.
func TestPeerOverTLS(t *testing.T) {
	c := parity.TestCredentials(t)
	c.Mutual = true
	s := &service{empty: func(ctx context.Context) error {
		p, _ := peer.FromContext(ctx)
		info, ok := p.AuthInfo.(credentials.TLSInfo)
		if !ok || info.State.PeerCertificates[0].Subject.CommonName != "cqrpc parity" {
			return fmt.Errorf("AuthInfo is %v", p.AuthInfo)
		}
		return credentials.CheckSecurityLevel(p.AuthInfo, credentials.PrivacyAndIntegrity)
	}}
	for _, to := range []maker{ours, reference} {
		stub := testpb.NewTestServiceClient(dial(t, c, to.serve(t, c, s.register)))
		var p peer.Peer
		_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), grpc.Peer(&p))
		parity.Want(t, "EmptyCall", err)
		if info, ok := p.AuthInfo.(credentials.TLSInfo); !ok || info.State.NegotiatedProtocol != "h2" {
			t.Errorf("the server is %v", p)
		}
	}
}

// A service is described as grpc-go describes it, and others by their names.
func TestServiceInfo(t *testing.T) {
	s, theirs := server.New(), grpc.NewServer()
	r := grpccompat.NewRegistrar(s)
	for _, to := range []grpc.ServiceRegistrar{r, theirs} {
		testpb.RegisterTestServiceServer(to, new(service))
	}
	parity.Want(t, "health", health.Register(s, health.New()))
	all := r.GetServiceInfo()
	if len(all) != 2 {
		t.Errorf("services %v", slices.Collect(maps.Keys(all)))
	}
	if _, ok := all[health.ServiceName]; !ok {
		t.Error("health, registered without generated code, is missing")
	}
	got, want := all["grpc.testing.TestService"], theirs.GetServiceInfo()["grpc.testing.TestService"]
	if got.Metadata != want.Metadata || !maps.Equal(methods(got), methods(want)) || len(want.Methods) != 8 {
		t.Errorf("service %v; want %v", got, want)
	}
}

func methods(info grpc.ServiceInfo) map[string]grpc.MethodInfo {
	m := make(map[string]grpc.MethodInfo)
	for _, i := range info.Methods {
		m[i.Name] = i
	}
	return m
}

// What cannot be registered is a mistake in the program.
func TestRegisterWhatCannotBe(t *testing.T) {
	s := server.New()
	r := grpccompat.NewRegistrar(s)
	mistake := func(what string, f func()) {
		t.Helper()
		defer func() {
			if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "grpc.testing.TestService") {
				t.Errorf("%s: panic %v", what, v)
			}
		}()
		f()
	}
	mistake("another type", func() { r.RegisterService(&testpb.TestService_ServiceDesc, "no service") })
	testpb.RegisterTestServiceServer(r, new(service))
	mistake("again", func() { testpb.RegisterTestServiceServer(r, new(service)) })
	parity.Want(t, "Close", s.Close())
	mistake("too late", func() { testpb.RegisterTestServiceServer(grpccompat.NewRegistrar(s), new(service)) })
}
