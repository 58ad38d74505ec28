package grpccompat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // for the reference
	"google.golang.org/grpc/encoding/proto"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// The peer is known, and of a connection without TLS that it has none.
func TestPeerOption(t *testing.T) {
	everywhere(t, &service{empty: func(context.Context) error { return nil }, duplex: echo},
		func(t *testing.T, stub testpb.TestServiceClient) {
			var p, q peer.Peer
			_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), grpc.Peer(&p))
			parity.Want(t, "EmptyCall", err)
			s := open(t, parity.Within(t), stub, grpc.Peer(&q))
			parity.Want(t, "CloseSend", s.CloseSend())
			_, err = s.Recv()
			wantEOF(t, "Recv", err)
			for _, p := range []peer.Peer{p, q} {
				if p.Addr == nil || p.AuthInfo.AuthType() != "insecure" ||
					credentials.CheckSecurityLevel(p.AuthInfo, credentials.PrivacyAndIntegrity) == nil {
					t.Errorf("peer %v", p)
				}
			}
		})
}

// OnFinish is called once, before the caller knows, and also of a call that never was.
func TestOnFinish(t *testing.T) {
	everywhere(t, &service{empty: func(context.Context) error { return errors.New("no") }, duplex: echo},
		func(t *testing.T, stub testpb.TestServiceClient) {
			var ends []error
			option := grpc.OnFinish(func(err error) { ends = append(ends, err) })
			want := func(what string, code codes.Code) {
				t.Helper()
				if len(ends) != 1 {
					t.Fatalf("%s: OnFinish was called %d times", what, len(ends))
				}
				wantCode(t, what, ends[0], code)
				ends = nil
			}
			_, _ = stub.EmptyCall(parity.Within(t), new(testpb.Empty), option)
			want("a failure", codes.Unknown)
			s := open(t, parity.Within(t), stub, option)
			parity.Want(t, "CloseSend", s.CloseSend())
			for range 2 {
				_, err := s.Recv()
				wantEOF(t, "Recv", err)
			}
			want("a stream", codes.OK)
			ctx, cancel := context.WithCancel(parity.Within(t))
			cancel()
			_, err := stub.FullDuplexCall(ctx, option)
			wantCode(t, "FullDuplexCall", err, codes.Canceled)
			want("a stream that did not begin", codes.Canceled)
			_, err = stub.EmptyCall(parity.Within(t), new(testpb.Empty), option, grpc.CallContentSubtype("none"))
			wantCode(t, "EmptyCall", err, codes.Internal)
			want("a call that was not made", codes.Internal)
		})
}

// Also a stream that nobody reads finishes with its context.
func TestOnFinishOfAnAbandonedStream(t *testing.T) {
	everywhere(t, &service{duplex: func(s duplex) error { <-s.Context().Done(); return nil }},
		func(t *testing.T, stub testpb.TestServiceClient) {
			ended := make(chan error, 2)
			ctx, cancel := context.WithCancel(parity.Within(t))
			s := open(t, ctx, stub, grpc.OnFinish(func(err error) { ended <- err }))
			cancel()
			wantCode(t, "OnFinish", <-ended, codes.Canceled)
			_, err := s.Recv()
			wantCode(t, "Recv", err, codes.Canceled)
			if len(ended) > 0 {
				t.Error("OnFinish was called again")
			}
		})
}

// Limits of messages hold for the call.
func TestLimitsOfACall(t *testing.T) {
	serve := &service{unary: func(_ context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: &testpb.Payload{Body: make([]byte, req.GetResponseSize())}}, nil
	}}
	everywhere(t, serve, func(t *testing.T, stub testpb.TestServiceClient) {
		_, err := stub.UnaryCall(parity.Within(t), &testpb.SimpleRequest{ResponseSize: 100}, grpc.MaxCallRecvMsgSize(50))
		wantCode(t, "a large response", err, codes.ResourceExhausted)
		_, err = stub.UnaryCall(parity.Within(t), &testpb.SimpleRequest{ResponseSize: 5 << 20}, grpc.MaxCallRecvMsgSize(6<<20))
		parity.Want(t, "a larger one that is allowed", err)
		large := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 100)}}
		_, err = stub.UnaryCall(parity.Within(t), large, grpc.MaxCallSendMsgSize(50))
		wantCode(t, "a large request", err, codes.ResourceExhausted)
	})
}

// What cannot be honoured is an error, of both kinds of calls.
func TestUnsupportedOptions(t *testing.T) {
	c := parity.TestCredentials(t)
	stub := testpb.NewTestServiceClient(dial(t, c, serve(t, c, (&service{duplex: echo}).register)))
	for _, test := range []struct {
		name   string
		option grpc.CallOption
		code   codes.Code
	}{
		{"no message at all", grpc.MaxCallRecvMsgSize(0), codes.Internal},
		{"a negative limit", grpc.MaxCallSendMsgSize(-1), codes.Internal},
		{"another name than the certificate's", grpc.CallAuthority("other.test"), codes.Unavailable},
		{"a codec that is not registered", grpc.CallContentSubtype("none"), codes.Internal},
		{"a compressor that is not there", grpc.UseCompressor("none"), codes.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), test.option)
			wantCode(t, "EmptyCall", err, test.code)
			_, err = stub.FullDuplexCall(parity.Within(t), test.option)
			wantCode(t, "FullDuplexCall", err, test.code)
		})
	}
}

// compression tells with what requests were compressed.
type compression struct {
	witness
	seen chan string
}

func (*compression) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *compression) HandleRPC(_ context.Context, s stats.RPCStats) {
	if h, ok := s.(*stats.InHeader); ok {
		c.seen <- h.Compression
	}
}

// Options that say nothing here are taken, and requests are compressed. The channel's
// filters see the call as any other.
func TestOptionsThatAreTaken(t *testing.T) {
	seen := &compression{seen: make(chan string, 1)}
	address := serveReferenceWith(t, nil, []grpc.ServerOption{grpc.StatsHandler(seen)}, (&service{
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return new(testpb.SimpleResponse), nil
		},
	}).register)
	ends := make(chan call.End, 1)
	ch := channel(t, nil, address, client.WithFilter(func(ctx context.Context, start *call.Start) (context.Context, error) {
		start.OnEnd = func(e call.End) { ends <- e }
		return ctx, nil
	}))
	stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(ch))
	_, err := stub.UnaryCall(parity.Within(t), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 1000)}},
		grpc.MaxRetryRPCBufferSize(1), grpc.StaticMethod(), marked{}, grpc.UseCompressor("gzip"),
		grpc.CallContentSubtype(proto.Name), grpc.WaitForReady(true))
	parity.Want(t, "UnaryCall", err)
	if got := <-seen.seen; got != "gzip" {
		t.Errorf("the request is compressed with %q", got)
	}
	if end := <-ends; end.Sent.Messages != 1 || end.Received.Messages != 1 {
		t.Errorf("the channel's filter was told %+v", end)
	}
}

// token is credentials of a call.
type token struct {
	isSecure bool
	audience *string
	err      error
}

func (k token) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	if k.err != nil {
		return nil, k.err
	}
	*k.audience = uri[0]
	info, _ := credentials.RequestInfoFromContext(ctx)
	if k.isSecure {
		if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
			return nil, err
		}
	}
	return map[string]string{"Authorization": "Bearer " + info.Method}, nil
}

func (k token) RequireTransportSecurity() bool { return k.isSecure }

// Credentials go with the call, and those that are secret only over TLS.
func TestPerRPCCredentials(t *testing.T) {
	s := &service{
		empty:  echoToken,
		duplex: func(s duplex) error { return echoToken(s.Context()) },
	}
	for name, c := range map[string]*parity.Credentials{"plaintext": nil, "TLS": parity.TestCredentials(t)} {
		for _, from := range []maker{ours, reference} {
			t.Run(name+" "+from.name, func(t *testing.T) {
				address := serve(t, c, s.register)
				stub := testpb.NewTestServiceClient(from.dial(t, c, address))
				for _, isSecure := range []bool{false, true} {
					code := codes.OK
					if isSecure && c == nil {
						code = codes.Unauthenticated
					}
					var audience string
					var header metadata.MD
					opts := []grpc.CallOption{grpc.Header(&header), grpc.PerRPCCredentials(token{isSecure, &audience, nil})}
					_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), opts...)
					wantCode(t, "EmptyCall", err, code)
					if code == codes.OK {
						wantValues(t, header, "token", "Bearer "+testpb.TestService_EmptyCall_FullMethodName)
						if want := "https://" + address + "/grpc.testing.TestService"; audience != want {
							t.Errorf("the audience is %q; want %q", audience, want)
						}
					}
					both, err := stub.FullDuplexCall(parity.Within(t), opts...)
					if err == nil {
						if _, err = both.Recv(); errors.Is(err, io.EOF) {
							err = nil
						}
					}
					wantCode(t, "FullDuplexCall", err, code)
				}
				_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty),
					grpc.PerRPCCredentials(token{err: errors.New("no token")}))
				wantCode(t, "credentials that fail", err, codes.Internal)
			})
		}
	}
}

// Tokens are made for a service by its name, without the port that goes without saying.
func TestAudience(t *testing.T) {
	address := serve(t, nil, (&service{empty: echoToken}).register)
	for authority, want := range map[string]string{
		"name.test:443":  "https://name.test/grpc.testing.TestService",
		"name.test:8443": "https://name.test:8443/grpc.testing.TestService",
	} {
		stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(channel(t, nil, address, client.WithAuthority(authority))))
		var audience string
		_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), grpc.PerRPCCredentials(token{false, &audience, nil}))
		parity.Want(t, "EmptyCall", err)
		if audience != want {
			t.Errorf("the audience is %q; want %q", audience, want)
		}
	}
}

func echoToken(ctx context.Context) error {
	return grpc.SendHeader(ctx, metadata.Pairs("token", metadata.ValueFromIncomingContext(ctx, "authorization")[0]))
}

// angled is a codec of strings, in three generations: what it receives it puts into
// brackets, to be known.
type angled struct{ name string }

func (angled) Marshal(v any) ([]byte, error) { return []byte(*v.(*string)), nil }

func (angled) Unmarshal(data []byte, v any) error {
	*v.(*string) = fmt.Sprintf("<%s>", data)
	return nil
}

func (u angled) Name() string   { return u.name }
func (u angled) String() string { return u.name }

type angledV2 struct{ angled }

func (u angledV2) Marshal(v any) (mem.BufferSlice, error) {
	data, err := u.angled.Marshal(v)
	half := len(data) / 2 // messages may come in pieces
	return mem.BufferSlice{mem.SliceBuffer(data[:half]), mem.SliceBuffer(data[half:])}, err
}

func (u angledV2) Unmarshal(data mem.BufferSlice, v any) error {
	return u.angled.Unmarshal(data.Materialize(), v)
}

// serveStrings serves a method that answers a string, of whatever codec, with itself and
// the request's content-type behind it.
func serveStrings(t *testing.T) grpc.ClientConnInterface {
	t.Helper()
	s := server.New(server.WithCodecs(codec.Proto(), codec.BytesNamed("strings"), codec.BytesNamed("registered")))
	grpccompat.NewRegistrar(s).RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Strings", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(
			_ any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor,
		) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			var req []byte
			if err := receive(&req); err != nil {
				return nil, err
			}
			req = append(req, md.Get("content-type")[0]...)
			return &req, nil
		}}},
	}, nil)
	lis := listen(t)
	_, stop := parity.Run(t, s, lis, func() {})
	t.Cleanup(stop)
	return dial(t, nil, lis.Addr().String())
}

// Calls may have codecs of grpc-go's, of any generation, given or registered.
func TestCodecsOfACall(t *testing.T) {
	conn := serveStrings(t)
	for name, test := range map[string]struct {
		opts []grpc.CallOption
		want string
	}{
		"V1":            {[]grpc.CallOption{grpc.ForceCodec(angled{"Strings"})}, "<hello application/grpc+strings>"},
		"V2":            {[]grpc.CallOption{grpc.ForceCodecV2(angledV2{angled{"strings"}})}, "<hello application/grpc+strings>"},
		"by a subtype":  {[]grpc.CallOption{grpc.CallContentSubtype("registered")}, "<hello application/grpc+registered>"},
		"named anew":    {[]grpc.CallOption{grpc.ForceCodec(angled{"x"}), grpc.CallContentSubtype("strings")}, "<hello application/grpc+strings>"},
		"V0, and named": {[]grpc.CallOption{grpc.CustomCodecCallOption{Codec: angled{"x"}}, grpc.CallContentSubtype("strings")}, "<hello application/grpc+strings>"},
	} {
		req, res := "hello ", ""
		if err := conn.Invoke(parity.Within(t), "/test.Strings/Echo", &req, &res, test.opts...); err != nil || res != test.want {
			t.Errorf("%s: %q, %v; want %q", name, res, err, test.want)
		}
	}
}

// Options of all calls come before those of one, and interceptors see both.
func TestDefaultCallOptions(t *testing.T) {
	address := serve(t, nil, (&service{
		empty:  func(context.Context) error { return nil },
		duplex: func(s duplex) error { return s.Send(answer(100)) },
	}).register)
	var d diary
	stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(channel(t, nil, address),
		grpccompat.WithDefaultCallOptions(marked{}, grpc.MaxCallRecvMsgSize(50)),
		grpccompat.WithUnaryInterceptor(d.unaryClient("a"))))
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
	parity.Want(t, "EmptyCall", err)
	d.want(t, "the interceptor", "a begins", "a is marked", "a ends: OK")
	_, err = open(t, parity.Within(t), stub).Recv()
	wantCode(t, "a large message", err, codes.ResourceExhausted)
	_, err = open(t, parity.Within(t), stub, grpc.MaxCallRecvMsgSize(200)).Recv()
	parity.Want(t, "the same with an option of its own", err)
}

// keeper is a codec that keeps what it is given, and returns what it keeps.
type keeper struct{ angled }

func (keeper) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (keeper) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

// What a codec of grpc-go's has in its hands stays as it is.
func TestCodecThatKeeps(t *testing.T) {
	conn := serveStrings(t)
	var kept [][]byte
	for n := range 50 {
		req, res := []byte(fmt.Sprintf("%3d ", n)), []byte(nil)
		err := conn.Invoke(parity.Within(t), "/test.Strings/Echo", &req, &res, grpc.ForceCodec(keeper{angled{"strings"}}))
		parity.Want(t, "Invoke", err)
		kept = append(kept, req, res)
	}
	for i, b := range kept {
		if want := fmt.Sprintf("%3d ", i/2); string(b[:4]) != want {
			t.Fatalf("message %d has become %q", i, b)
		}
	}
}
