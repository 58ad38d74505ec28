package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/cqrpc/cqrpc/conformance/internal/bodyroute"
	"github.com/cqrpc/cqrpc/transport"
)

// session is a client that talks to a server.
type session struct {
	name   string
	server func() (address string, stop func(), err error)
	client func(address string) error
	fails  bool // the client says that something is wrong, as it may
}

// python is Debian's: another one would not find its packages.
const python = "/usr/bin/python3"

func sessions() []session {
	return []session{
		{"h2spec", web, command("h2spec", "-h", "{host}", "-p", "{port}", "-P", "/", "-o", "1", "-S"), true},
		{"nghttp", web, command("nghttp", "-v", "http://{address}/", "http://{address}/again"), false},
		{"nghttp-post", web, command("nghttp", "-d", "conformance/cmd/record/tap.go", "http://{address}/"), false},
		{"h2load", web, command("h2load", "-n", "20", "-c", "2", "-m", "5", "http://{address}/"), false},
		{"curl", web, command("curl", "-sS", "--http2-prior-knowledge", "-d", "a=b", "http://{address}/"), false},
		{"nghttpd", nghttpd, command("nghttp", "http://{address}/main.go", "http://{address}/none"), false},
		{"grpc-go", grpcGo, callGRPCGo, false},
		{"ccore", grpcGo, command(python, "-c", ccoreClient, "{address}"), false},
	}
}

// record plays the session across a tap.
func (s session) record(out string) error {
	to, stop, err := s.server()
	if err != nil {
		return err
	}
	defer stop()
	t, err := newTap(to)
	if err != nil {
		return err
	}
	clientErr := s.client(t.address())
	if s.fails && errors.As(clientErr, new(*exec.ExitError)) {
		clientErr = nil
	}
	return errors.Join(clientErr, t.save(out, s.name))
}

// command is a client that is a program.
func command(name string, args ...string) func(string) error {
	return func(address string) error {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath(filepath.Join(".tmp", "bin", name))
		}
		if err != nil {
			return err
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		fill := strings.NewReplacer("{address}", address, "{host}", host, "{port}", port)
		filled := make([]string, len(args))
		for i, a := range args {
			filled[i] = fill.Replace(a)
		}
		out, err := exec.Command(path, filled...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%.400s", err, out)
		}
		return nil
	}
}

// web answers every request with a body.
func web() (string, func(), error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := bodyroute.Serve(lis, nil, transport.Config{})
	return lis.Addr().String(), s.Close, nil
}

// nghttpd serves the source of this command.
func nghttpd() (string, func(), error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := lis.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = lis.Close()
	cmd := exec.Command("nghttpd", "--no-tls", "--address=127.0.0.1", "--htdocs=conformance/cmd/record", port)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	for range 100 { // until it listens
		nc, err := net.Dial("tcp", address)
		if err == nil {
			_ = nc.Close()
			return address, stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return "", nil, os.ErrDeadlineExceeded
}

// grpcGo is grpc-go's server of the interop tests.
func grpcGo() (string, func(), error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := grpc.NewServer()
	testpb.RegisterTestServiceServer(s, interop.NewTestServer())
	go func() { _ = s.Serve(lis) }()
	return lis.Addr().String(), s.Stop, nil
}

// callGRPCGo makes one call of each kind, and some that fail.
func callGRPCGo(address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx := context.Background()
	ts := testpb.NewTestServiceClient(conn)
	interop.DoEmptyUnaryCall(ctx, ts)
	md := metadata.Pairs("x-grpc-test-echo-initial", "a", "x-grpc-test-echo-trailing-bin", "\x00\xff")
	req := &testpb.SimpleRequest{ResponseSize: 10, Payload: &testpb.Payload{Body: []byte("0123456789")}}
	if _, err := ts.UnaryCall(metadata.NewOutgoingContext(ctx, md), req, grpc.UseCompressor(gzip.Name)); err != nil {
		return err
	}
	interop.DoPingPong(ctx, ts, grpc.MaxCallRecvMsgSize(1<<20))
	interop.DoCancelAfterFirstResponse(ctx, ts)
	interop.DoTimeoutOnSleepingServer(ctx, ts)
	interop.DoUnimplementedMethod(ctx, conn)
	status := &testpb.EchoStatus{Code: int32(codes.NotFound), Message: "nö\n%"}
	_, err = ts.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: status})
	if err == nil {
		return errors.New("no status came")
	}
	return nil
}

// ccoreClient makes calls by C-core. The messages are protobuf's empty one, and
// an unknown field.
const ccoreClient = `
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    service = "/grpc.testing.TestService/"
    channel.unary_unary(service + "EmptyCall")(b"", timeout=9, metadata=[("k", "v"), ("k-bin", b"\x00\xff")])
    channel.unary_unary(service + "UnaryCall")(b"\x10\x07", compression=grpc.Compression.Gzip)
    list(channel.unary_stream(service + "StreamingOutputCall")(b"\x12\x02\x08\x05"))
    channel.stream_unary(service + "StreamingInputCall")(iter([b"\x0a\x02\x12\x00"] * 3))
    both = channel.stream_stream(service + "FullDuplexCall")(iter([b"\x12\x02\x08\x05"]))
    next(both)
    both.cancel()
    try:
        channel.unary_unary(service + "UnimplementedCall")(b"")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
`
