package conformance

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
)

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
