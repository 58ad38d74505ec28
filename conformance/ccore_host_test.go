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
	"github.com/cqrpc/cqrpc/internal/parity"
)

// ccoreHost is C-core as a server, in a process of its own.
type ccoreHost struct {
	address string
	drain   func() // begins to; it returns at once
	wait    func() // until the process has ended
}

func startCCore(t *testing.T) *ccoreHost {
	t.Helper()
	cmd := pythonPeer(t, "grpc", "python3-grpcio", "ccore_server.py")
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	stdin, err := cmd.StdinPipe()
	parity.Want(t, "StdinPipe", err)
	stdout, err := cmd.StdoutPipe()
	parity.Want(t, "StdoutPipe", err)
	parity.Want(t, "Start", cmd.Start())
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
	parity.Want(t, "read the port", err)
	h.address = net.JoinHostPort("127.0.0.1", strings.TrimSpace(port))
	return h
}

// TestCCoreServer lets cqrpc call C-core.
func TestCCoreServer(t *testing.T) {
	t.Parallel()
	h := startCCore(t)
	w := new(parity.Wire)
	ch, err := client.NewChannel(h.address, client.WithInsecure(), client.WithCodec(codec.Bytes()),
		client.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return w.Wrap(nc), nil
		}))
	parity.Want(t, "NewChannel", err)
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
	res, err := client.Unary(parity.Within(t), ch, raw(m), &req, opts...)
	if err != nil {
		return nil, err
	}
	return *res, nil
}

func ccoreUnary(t *testing.T, ch *client.Channel) {
	for _, body := range [][]byte{nil, {0}, parity.Noise(3<<20, 1)} {
		res, err := unaryRaw(t, ch, "Unary", body)
		parity.Want(t, "Unary", err)
		if !bytes.Equal(res, body) {
			t.Errorf("response of %d bytes, want the %d of the request", len(res), len(body))
		}
	}
}

func ccoreServerStream(t *testing.T, ch *client.Channel) {
	req := []byte("1000")
	s, err := client.ServerStream(parity.Within(t), ch, raw("ServerStream"), &req)
	parity.Want(t, "ServerStream", err)
	n := 0
	for res, err := range s.All() {
		parity.Want(t, "Recv", err)
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
	s, err := client.ClientStream(parity.Within(t), ch, raw("ClientStream"))
	parity.Want(t, "ClientStream", err)
	var all []byte
	for i := range 100 {
		req := parity.Noise(i*100, uint64(i))
		all = append(all, req...)
		parity.Want(t, "Send", s.Send(&req))
	}
	res, err := s.CloseAndRecv()
	parity.Want(t, "CloseAndRecv", err)
	if !bytes.Equal(*res, all) {
		t.Errorf("response of %d bytes, want the %d of the requests", len(*res), len(all))
	}
}

func ccoreBidi(t *testing.T, ch *client.Channel) {
	s, err := client.BidiStream(parity.Within(t), ch, raw("Bidi"))
	parity.Want(t, "BidiStream", err)
	for i := range 100 {
		rallyRaw(t, s, parity.Noise(i*1000, uint64(i)))
	}
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	parity.WantEnd(t, "after CloseSend", err)
}

func rallyRaw(t *testing.T, s *client.BidiStreamCall[[]byte, []byte], req []byte) {
	t.Helper()
	parity.Want(t, "Send", s.Send(&req))
	res, err := s.Recv()
	parity.Want(t, "Recv", err)
	if !bytes.Equal(*res, req) {
		t.Fatalf("response of %d bytes, want the %d of the request", len(*res), len(req))
	}
}

func ccoreMetadata(t *testing.T, ch *client.Channel) {
	md := cqrpc.Pairs(
		"x-echo", "one", "x-echo", "two", "x-echo", "one",
		"x-echo-bin", parity.EveryByte, "x-echo-bin", "", "x-echo-bin", "\x00",
	)
	var header, trailer cqrpc.Metadata
	_, err := unaryRaw(t, ch, "Unary", nil, client.WithMetadata(md), client.HeaderTo(&header), client.TrailerTo(&trailer))
	parity.Want(t, "Unary", err)
	parity.WantMetadata(t, "initial", header, md)
	parity.WantMetadata(t, "trailing", trailer, md)
}

func ccoreStatus(t *testing.T, ch *client.Channel) {
	for code := cqrpc.CodeCanceled; code <= cqrpc.CodeUnauthenticated; code++ {
		message := code.String() + ": 100% ü\n☺"
		_, err := unaryRaw(t, ch, "Unary", nil, client.WithMetadata(cqrpc.Pairs(
			"x-fail", strconv.Itoa(int(code)), "x-fail-message-bin", message,
		)))
		parity.WantStatus(t, "Unary", err, code, message)
	}
}

func ccoreUnimplemented(t *testing.T, ch *client.Channel) {
	_, err := unaryRaw(t, ch, "NoSuchMethod", nil)
	parity.WantCode(t, "NoSuchMethod", err, cqrpc.CodeUnimplemented)
}

func ccoreDeadline(t *testing.T, ch *client.Channel) {
	res, err := unaryRaw(t, ch, "TimeLeft", nil)
	parity.Want(t, "TimeLeft", err)
	left, err := strconv.ParseFloat(string(res), 64)
	if err != nil || left <= 0 || left > parity.Patience.Seconds() {
		t.Errorf("server had %q seconds left of %v", res, parity.Patience)
	}
	_, err = unaryRaw(t, ch, "Hang", nil, client.WithDeadline(time.Now().Add(300*time.Millisecond)))
	parity.WantCode(t, "Hang", err, cqrpc.CodeDeadlineExceeded)
}

func ccoreCancel(t *testing.T, ch *client.Channel) {
	ctx, cancel := context.WithCancel(parity.Within(t))
	defer cancel()
	s, err := client.BidiStream(ctx, ch, raw("Bidi"))
	parity.Want(t, "BidiStream", err)
	rallyRaw(t, s, []byte("before"))
	cancel()
	_, err = s.Recv()
	parity.WantCode(t, "Recv after cancel", err, cqrpc.CodeCanceled)
	res, err := unaryRaw(t, ch, "WaitEnded", nil)
	parity.Want(t, "WaitEnded", err)
	if string(res) != "yes" {
		t.Error("server has not seen a Hang end")
	}
}

// The server compresses all responses, the client the requests of one call.
func ccoreGzip(t *testing.T, ch *client.Channel, w *parity.Wire) {
	w.Received.Store(0)
	w.Sent.Store(0)
	res, err := unaryRaw(t, ch, "Unary", make([]byte, parity.Puffed), client.WithCompressor("gzip"))
	parity.Want(t, "Unary", err)
	if !bytes.Equal(res, make([]byte, parity.Puffed)) {
		t.Errorf("response of %d bytes, want the %d zeros of the request", len(res), parity.Puffed)
	}
	parity.WantShrunk(t, "request", w.Sent.Load())
	parity.WantShrunk(t, "response", w.Received.Load())
}

// ccoreGoAway is the last case: the server ends while a call goes on.
func ccoreGoAway(t *testing.T, ch *client.Channel, h *ccoreHost) {
	s, err := client.BidiStream(parity.Within(t), ch, raw("Bidi"))
	parity.Want(t, "BidiStream", err)
	rallyRaw(t, s, []byte("before"))
	h.drain()
	for ch.State() == client.Ready { // until GOAWAY
		ch.WaitForStateChange(parity.Within(t), client.Ready)
	}
	rallyRaw(t, s, parity.Noise(100_000, 1))
	parity.Want(t, "CloseSend", s.CloseSend())
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("stream ended with %v, want OK", err)
	}
	h.wait()
}
