package conformance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
)

// The Raw service is what C-core and cqrpc talk about here. Its messages are
// bytes, so that neither side needs generated code; both sides implement it.
//
//	Unary         echoes the request
//	ServerStream  wants a number n, answers "0" to "n-1"
//	ClientStream  answers with all requests in one
//	Bidi          echoes each request
//	TimeLeft      answers with the seconds until the deadline
//	Hang          lasts until its call ends
//	WaitEnded     answers when a Hang has been cancelled; C-core's only
//
// The first four echo metadata x-echo and x-echo-bin, initial and trailing, or
// fail with the code in x-fail and the message in x-fail-message-bin.
type rawMethod = call.Method[[]byte, []byte]

func raw(name string) rawMethod { return rawMethod{Name: "/conformance.Raw/" + name} }

// python is Debian's interpreter: another one first in PATH would not find the
// packages of apt.
const python = "/usr/bin/python3"

// pythonPeer returns a command that runs a script of testdata with C-core.
func pythonPeer(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import grpc").CombinedOutput(); err != nil {
		const install = "apt-get install -y python3-grpcio"
		if os.Getenv("CQRPC_REQUIRE_PEERS") == "1" {
			t.Fatalf("no C-core (%v): %s\n%s", err, install, out)
		}
		t.Skipf("C-core is a package of Debian, not of Go; to run this: %s", install)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"testdata/" + script}, args...)...)
	cmd.Env = append(os.Environ(), "GRPC_VERBOSITY=NONE", "http_proxy=", "https_proxy=", "PYTHONIOENCODING=utf-8")
	return cmd
}

// rawBegin echoes metadata or fails, as the request's metadata says.
func rawBegin(ctx context.Context) error {
	info, _ := server.Incoming(ctx)
	var md cqrpc.Metadata
	for _, p := range info.Metadata {
		if strings.HasPrefix(p.Key, "x-echo") {
			md = append(md, p)
		}
	}
	if err := errors.Join(server.SetHeader(ctx, md), server.SetTrailer(ctx, md)); err != nil {
		return err
	}
	if code, ok := cqrpc.ParseCode(info.Metadata.Get("x-fail")); ok {
		return cqrpc.Errorf(code, "%s", info.Metadata.Get("x-fail-message-bin"))
	}
	return nil
}

// rawHandlers is the Raw service in the sync style. Every end of a Hang is told.
func rawHandlers(ended chan<- error) []server.Handler {
	return []server.Handler{
		server.Unary(raw("Unary"), func(ctx context.Context, req *[]byte) (*[]byte, error) {
			return req, rawBegin(ctx)
		}),
		server.ServerStream(raw("ServerStream"), rawServerStream),
		server.ClientStream(raw("ClientStream"), rawClientStream),
		server.Bidi(raw("Bidi"), rawBidi),
		server.Unary(raw("TimeLeft"), func(ctx context.Context, _ *[]byte) (*[]byte, error) {
			d, _ := ctx.Deadline()
			left := []byte(strconv.FormatFloat(time.Until(d).Seconds(), 'f', 3, 64))
			return &left, nil
		}),
		server.Unary(raw("Hang"), func(ctx context.Context, _ *[]byte) (*[]byte, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}),
	}
}

func rawServerStream(ctx context.Context, req *[]byte, out *server.Sender[[]byte]) error {
	if err := rawBegin(ctx); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(*req))
	if err != nil {
		return cqrpc.Errorf(cqrpc.CodeInvalidArgument, "%w", err)
	}
	for i := range n {
		res := strconv.AppendInt(nil, int64(i), 10)
		if err := out.Send(&res); err != nil {
			return err
		}
	}
	return nil
}

func rawClientStream(ctx context.Context, in *server.Receiver[[]byte]) (*[]byte, error) {
	if err := rawBegin(ctx); err != nil {
		return nil, err
	}
	var all []byte
	for req, err := range in.All() {
		if err != nil {
			return nil, err
		}
		all = append(all, *req...)
	}
	return &all, nil
}

func rawBidi(ctx context.Context, in *server.Receiver[[]byte], out *server.Sender[[]byte]) error {
	if err := rawBegin(ctx); err != nil {
		return err
	}
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		if err := out.Send(req); err != nil {
			return err
		}
	}
	return nil
}

// rawHost serves the Raw service.
func rawHost(t *testing.T, ended chan<- error) *host {
	kind := hostKind{"cqrpc-sync", func(t *testing.T, lis net.Listener, _ *credentials, _ serving) (drain, stop func()) {
		srv := server.New(server.WithCodecs(codec.Bytes()), server.WithCompressor("gzip"))
		want(t, "Register", srv.Register(rawHandlers(ended)...))
		return run(t, srv, lis, func() {})
	}}
	return kind.start(t, nil, serving{})
}

// TestCCoreClient lets C-core call cqrpc. What is asserted stands in the script.
func TestCCoreClient(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 10)
	h := rawHost(t, ended)
	cmd := pythonPeer(t, "ccore_client.py", h.address)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, diagnostics.String())
	}
	cases := 0
	for line := range strings.Lines(string(out)) {
		name, verdict, _ := strings.Cut(strings.TrimSpace(line), " ")
		cases++
		t.Run(name, func(t *testing.T) {
			if verdict != "ok" {
				t.Error(verdict)
			}
		})
	}
	if cases == 0 {
		t.Error("no case has run")
	}
	if err := <-ended; err != context.DeadlineExceeded && err != context.Canceled {
		t.Errorf("handler's context ended with %v", err)
	}
}

// ccoreHost is C-core as a server, in a process of its own.
type ccoreHost struct {
	address string
	drain   func() // begins to; it returns at once
	wait    func() // until the process has ended
}

func startCCore(t *testing.T) *ccoreHost {
	t.Helper()
	cmd := pythonPeer(t, "ccore_server.py")
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	stdin, err := cmd.StdinPipe()
	want(t, "StdinPipe", err)
	stdout, err := cmd.StdoutPipe()
	want(t, "StdoutPipe", err)
	want(t, "Start", cmd.Start())
	ended := make(chan error, 1)
	h := &ccoreHost{
		drain: func() { _ = stdin.Close() },
		wait: func() {
			if err := <-ended; err != nil {
				t.Errorf("%v\n%s", err, diagnostics.String())
			}
			ended <- nil
		},
	}
	port, err := bufio.NewReader(stdout).ReadString('\n')
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		h.drain()
		h.wait()
	})
	want(t, "read the port", err)
	h.address = net.JoinHostPort("127.0.0.1", strings.TrimSpace(port))
	return h
}

// TestCCoreServer lets cqrpc call C-core.
func TestCCoreServer(t *testing.T) {
	t.Parallel()
	h := startCCore(t)
	w := new(wire)
	w.conns = make(map[*wireConn]struct{})
	ch, err := client.NewChannel(h.address, client.WithInsecure(), client.WithCodec(codec.Bytes()),
		client.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			return &wireConn{Conn: nc, wire: w}, err
		}))
	want(t, "NewChannel", err)
	defer ch.Close()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, ch *client.Channel)
	}{
		{"unary", ccoreUnary},
		{"server_stream", ccoreServerStream},
		{"client_stream", ccoreClientStream},
		{"bidi", ccoreBidi},
		{"metadata", ccoreMetadata},
		{"status", ccoreStatus},
		{"unimplemented", ccoreUnimplemented},
		{"deadline", ccoreDeadline},
		{"cancel", ccoreCancel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, ch) })
	}
	t.Run("gzip", func(t *testing.T) { ccoreGzip(t, ch, w) })
	t.Run("goaway", func(t *testing.T) { ccoreGoAway(t, ch, h) })
}

func unaryRaw(t *testing.T, ch *client.Channel, m string, req []byte, opts ...client.CallOption) ([]byte, error) {
	t.Helper()
	res, err := client.Unary(within(t), ch, raw(m), &req, opts...)
	if err != nil {
		return nil, err
	}
	return *res, nil
}

func ccoreUnary(t *testing.T, ch *client.Channel) {
	for _, body := range [][]byte{nil, {0}, noise(3<<20, 1)} {
		res, err := unaryRaw(t, ch, "Unary", body)
		want(t, "Unary", err)
		if !bytes.Equal(res, body) {
			t.Errorf("response of %d bytes, want the %d of the request", len(res), len(body))
		}
	}
}

func ccoreServerStream(t *testing.T, ch *client.Channel) {
	req := []byte("1000")
	s, err := client.ServerStream(within(t), ch, raw("ServerStream"), &req)
	want(t, "ServerStream", err)
	n := 0
	for res, err := range s.All() {
		want(t, "Recv", err)
		if string(*res) != strconv.Itoa(n) {
			t.Fatalf("response %d is %q", n, *res)
		}
		n++
	}
	if n != 1000 {
		t.Errorf("%d responses, want 1000", n)
	}
}

func ccoreClientStream(t *testing.T, ch *client.Channel) {
	s, err := client.ClientStream(within(t), ch, raw("ClientStream"))
	want(t, "ClientStream", err)
	var all []byte
	for i := range 100 {
		req := noise(i*100, uint64(i))
		all = append(all, req...)
		want(t, "Send", s.Send(&req))
	}
	res, err := s.CloseAndRecv()
	want(t, "CloseAndRecv", err)
	if !bytes.Equal(*res, all) {
		t.Errorf("response of %d bytes, want the %d of the requests", len(*res), len(all))
	}
}

func ccoreBidi(t *testing.T, ch *client.Channel) {
	s, err := client.BidiStream(within(t), ch, raw("Bidi"))
	want(t, "BidiStream", err)
	for i := range 100 {
		rallyRaw(t, s, noise(i*1000, uint64(i)))
	}
	want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	wantEnd(t, "after CloseSend", err)
}

func rallyRaw(t *testing.T, s *client.BidiStreamCall[[]byte, []byte], req []byte) {
	t.Helper()
	want(t, "Send", s.Send(&req))
	res, err := s.Recv()
	want(t, "Recv", err)
	if !bytes.Equal(*res, req) {
		t.Fatalf("response of %d bytes, want the %d of the request", len(*res), len(req))
	}
}

func ccoreMetadata(t *testing.T, ch *client.Channel) {
	md := cqrpc.Pairs(
		"x-echo", "one", "x-echo", "two", "x-echo", "one",
		"x-echo-bin", everyByte, "x-echo-bin", "", "x-echo-bin", "\x00",
	)
	var header, trailer cqrpc.Metadata
	_, err := unaryRaw(t, ch, "Unary", nil, client.WithMetadata(md), client.HeaderTo(&header), client.TrailerTo(&trailer))
	want(t, "Unary", err)
	wantMetadata(t, "initial", header, md)
	wantMetadata(t, "trailing", trailer, md)
}

func ccoreStatus(t *testing.T, ch *client.Channel) {
	for code := cqrpc.CodeCanceled; code <= cqrpc.CodeUnauthenticated; code++ {
		message := code.String() + ": 100% ü\n☺"
		_, err := unaryRaw(t, ch, "Unary", nil, client.WithMetadata(cqrpc.Pairs(
			"x-fail", strconv.Itoa(int(code)), "x-fail-message-bin", message,
		)))
		wantStatus(t, "Unary", err, code, message)
	}
}

func ccoreUnimplemented(t *testing.T, ch *client.Channel) {
	_, err := unaryRaw(t, ch, "NoSuchMethod", nil)
	wantCode(t, "NoSuchMethod", err, cqrpc.CodeUnimplemented)
}

func ccoreDeadline(t *testing.T, ch *client.Channel) {
	res, err := unaryRaw(t, ch, "TimeLeft", nil)
	want(t, "TimeLeft", err)
	left, err := strconv.ParseFloat(string(res), 64)
	if err != nil || left <= 0 || left > patience.Seconds() {
		t.Errorf("server had %q seconds left of %v", res, patience)
	}
	_, err = unaryRaw(t, ch, "Hang", nil, client.WithDeadline(time.Now().Add(300*time.Millisecond)))
	wantCode(t, "Hang", err, cqrpc.CodeDeadlineExceeded)
}

func ccoreCancel(t *testing.T, ch *client.Channel) {
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	s, err := client.BidiStream(ctx, ch, raw("Bidi"))
	want(t, "BidiStream", err)
	rallyRaw(t, s, []byte("before"))
	cancel()
	_, err = s.Recv()
	wantCode(t, "Recv after cancel", err, cqrpc.CodeCanceled)
	res, err := unaryRaw(t, ch, "WaitEnded", nil)
	want(t, "WaitEnded", err)
	if string(res) != "yes" {
		t.Error("server has not seen a Hang end")
	}
}

// The server compresses all responses, the client the requests of one call.
func ccoreGzip(t *testing.T, ch *client.Channel, w *wire) {
	w.received.Store(0)
	w.sent.Store(0)
	res, err := unaryRaw(t, ch, "Unary", make([]byte, puffed), client.WithCompressor("gzip"))
	want(t, "Unary", err)
	if !bytes.Equal(res, make([]byte, puffed)) {
		t.Errorf("response of %d bytes, want the %d zeros of the request", len(res), puffed)
	}
	wantShrunk(t, "request", w.sent.Load())
	wantShrunk(t, "response", w.received.Load())
}

// ccoreGoAway is the last case: the server ends while a call goes on.
func ccoreGoAway(t *testing.T, ch *client.Channel, h *ccoreHost) {
	s, err := client.BidiStream(within(t), ch, raw("Bidi"))
	want(t, "BidiStream", err)
	rallyRaw(t, s, []byte("before"))
	h.drain()
	for ch.State() == client.Ready { // until GOAWAY
		ch.WaitForStateChange(within(t), client.Ready)
	}
	rallyRaw(t, s, noise(100_000, 1))
	want(t, "CloseSend", s.CloseSend())
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("stream ended with %v, want OK", err)
	}
	h.wait()
}
