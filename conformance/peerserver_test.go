package conformance

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/conformance/internal/envelope"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// TestCCoreServer lets cqrpc call C-core in every style.
func TestCCoreServer(t *testing.T) { eachCaller(t, &ccore) }

// TestGRPCJSServer lets cqrpc call grpc-js in every style.
func TestGRPCJSServer(t *testing.T) { eachCaller(t, &grpcjs) }

func eachCaller(t *testing.T, p *stranger) {
	for _, from := range parity.Callers {
		t.Run(from.Name, func(t *testing.T) {
			t.Parallel()
			callPeer(t, p, from)
		})
	}
	t.Run("goaway", func(t *testing.T) {
		t.Parallel()
		peerGoAway(t, p)
	})
}

// rawCaller calls the Raw service of a peer.
type rawCaller struct {
	parity.Caller
	peer *stranger
	wire *parity.Wire
}

func rawOptions(dial func(ctx context.Context, network, address string) (net.Conn, error)) []client.Option {
	return []client.Option{client.WithCodec(envelope.Codec()), client.WithDialer(dial)}
}

func callPeer(t *testing.T, p *stranger, from parity.CallerKind) {
	h := p.start(t)
	defer h.stop()
	c := rawCaller{peer: p, wire: new(parity.Wire)}
	var err error
	policy := &call.RetryPolicy{
		MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 1,
		Codes: []cqrpc.Code{cqrpc.CodeUnavailable},
	}
	c.Caller, err = from.Dial(parity.Dialing{Address: h.address, Retry: policy, Options: rawOptions(
		func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return c.wire.Wrap(nc), nil
		})})
	parity.Want(t, "Dial", err)
	defer func() { parity.Want(t, "Close", c.Close()) }()
	for _, test := range []struct {
		name string
		run  func(c rawCaller, t *testing.T)
	}{
		{"unary", rawCaller.unary},
		{"server_stream", rawCaller.serverStream},
		{"client_stream", rawCaller.clientStream},
		{"bidi", rawCaller.bidi},
		{"metadata", rawCaller.metadata},
		{"status", rawCaller.statuses},
		{"unimplemented", rawCaller.unimplemented},
		{"deadline", rawCaller.deadline},
		{"cancel", rawCaller.cancel},
		{"gzip", rawCaller.gzip},
		{"retry", rawCaller.retry},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(c, t) })
	}
}

func (c rawCaller) call(ctx context.Context, name string, req []byte, o parity.Options) ([]byte, error) {
	o.Method = raw(name)
	return c.Unary(ctx, req, o)
}

func (c rawCaller) unary(t *testing.T) {
	for _, body := range [][]byte{nil, {0}, parity.Noise(3<<20, 1)} {
		res, err := c.call(parity.Within(t), "Unary", body, parity.Options{})
		parity.Want(t, "Unary", err)
		if !bytes.Equal(res, body) {
			t.Errorf("response of %d bytes, want the %d of the request", len(res), len(body))
		}
	}
}

func (c rawCaller) serverStream(t *testing.T) {
	s, err := c.ServerStream(parity.Within(t), []byte("1000"), parity.Options{Method: raw("ServerStream")})
	parity.Want(t, "ServerStream", err)
	for n := range 1000 {
		res, err := s.Recv()
		parity.Want(t, "Recv", err)
		if string(res) != strconv.Itoa(n) {
			t.Fatalf("response %d is %q", n, res)
		}
	}
	_, err = s.Recv()
	parity.WantEnd(t, "after the last response", err)
}

func (c rawCaller) clientStream(t *testing.T) {
	s, err := c.ClientStream(parity.Within(t), parity.Options{Method: raw("ClientStream")})
	parity.Want(t, "ClientStream", err)
	var all []byte
	for i := range 100 {
		req := parity.Noise(i*100, uint64(i))
		all = append(all, req...)
		parity.Want(t, "Send", s.Send(req))
	}
	res, err := s.CloseAndRecv()
	parity.Want(t, "CloseAndRecv", err)
	if !bytes.Equal(res, all) {
		t.Errorf("response of %d bytes, want the %d of the requests", len(res), len(all))
	}
}

// chat begins a Bidi.
func (c rawCaller) chat(ctx context.Context, t *testing.T) parity.Duplex {
	t.Helper()
	s, err := c.BidiStream(ctx, parity.Options{Method: raw("Bidi")})
	parity.Want(t, "BidiStream", err)
	return s
}

func (c rawCaller) bidi(t *testing.T) {
	s := c.chat(parity.Within(t), t)
	for i := range 100 {
		rally(t, s, parity.Noise(i*1000, uint64(i)))
	}
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err := s.Recv()
	parity.WantEnd(t, "after CloseSend", err)
}

func rally(t *testing.T, s parity.Duplex, req []byte) {
	t.Helper()
	parity.Want(t, "Send", s.Send(req))
	res, err := s.Recv()
	parity.Want(t, "Recv", err)
	if !bytes.Equal(res, req) {
		t.Fatalf("response of %d bytes, want the %d of the request", len(res), len(req))
	}
}

func (c rawCaller) metadata(t *testing.T) {
	md := cqrpc.Pairs(
		"x-echo", "one", "x-echo", "two", "x-echo", "one",
		"x-echo-bin", parity.EveryByte, "x-echo-bin", "", "x-echo-bin", "\x00",
	)
	var header, trailer cqrpc.Metadata
	_, err := c.call(parity.Within(t), "Unary", nil, parity.Options{Metadata: md, Header: &header, Trailer: &trailer})
	parity.Want(t, "Unary", err)
	want := md
	if c.peer.joins {
		text := []string{strings.Join(md.Values("x-echo"), ", ")}
		want = cqrpc.Pairs("x-echo", text[0])
		for _, v := range md.Values("x-echo-bin") {
			want = append(want, cqrpc.Pairs("x-echo-bin", v)...)
		}
	}
	parity.WantMetadata(t, "initial", header, want)
	parity.WantMetadata(t, "trailing", trailer, want)
}

func (c rawCaller) statuses(t *testing.T) {
	for code := cqrpc.CodeCanceled; code <= cqrpc.CodeUnauthenticated; code++ {
		message := code.String() + ": 100% ü\n☺"
		o := parity.Options{Metadata: cqrpc.Pairs("x-fail", strconv.Itoa(int(code)), "x-fail-message-bin", message)}
		_, err := c.call(parity.Within(t), "Unary", nil, o)
		parity.WantStatus(t, "Unary", err, code, message)
	}
}

func (c rawCaller) unimplemented(t *testing.T) {
	_, err := c.call(parity.Within(t), "NoSuchMethod", nil, parity.Options{})
	parity.WantCode(t, "NoSuchMethod", err, cqrpc.CodeUnimplemented)
}

func (c rawCaller) deadline(t *testing.T) {
	res, err := c.call(parity.Within(t), "TimeLeft", nil, parity.Options{})
	parity.Want(t, "TimeLeft", err)
	left, err := strconv.ParseFloat(string(res), 64)
	if err != nil || left <= 0 || left > parity.Patience.Seconds() {
		t.Errorf("server had %q seconds left of %v", res, parity.Patience)
	}
	var header cqrpc.Metadata
	// How long a call takes to reach the server, the machine says. Of those that come too late C-core ends some twice.
	for timeout := time.Microsecond; header.Get("x-begun") == ""; timeout *= 2 {
		ctx, cancel := context.WithTimeout(parity.Within(t), timeout)
		_, err = c.call(ctx, "Hang", nil, parity.Options{Header: &header})
		cancel()
		parity.WantCode(t, "Hang", err, cqrpc.CodeDeadlineExceeded)
	}
}

func (c rawCaller) cancel(t *testing.T) {
	ctx, cancel := context.WithCancel(parity.Within(t))
	defer cancel()
	s := c.chat(ctx, t)
	rally(t, s, []byte("before"))
	cancel()
	_, err := s.Recv()
	parity.WantCode(t, "Recv after cancel", err, cqrpc.CodeCanceled)
	res, err := c.call(parity.Within(t), "WaitEnded", nil, parity.Options{})
	parity.Want(t, "WaitEnded", err)
	if string(res) != "yes" {
		t.Error("server has not seen a Hang end")
	}
}

// retry makes calls of which the server refuses two attempts, or three, which is one too many.
func (c rawCaller) retry(t *testing.T) {
	busy := func(attempts string) parity.Options { return parity.Options{Metadata: cqrpc.Pairs("x-busy", attempts)} }
	res, err := c.call(parity.Within(t), "Unary", []byte("a"), busy("2"))
	parity.Want(t, "Unary", err)
	if string(res) != "a" {
		t.Errorf("response %q", res)
	}
	_, err = c.call(parity.Within(t), "Unary", []byte("a"), busy("3"))
	parity.WantStatus(t, "Unary", err, cqrpc.CodeUnavailable, "busy")

	o := busy("2")
	o.Method = raw("Bidi")
	s, err := c.BidiStream(parity.Within(t), o)
	parity.Want(t, "BidiStream", err)
	for i := range 10 {
		rally(t, s, parity.Noise(i*1000, uint64(i)))
	}
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	parity.WantEnd(t, "after CloseSend", err)

	o.Method = raw("ClientStream")
	in, err := c.ClientStream(parity.Within(t), o)
	parity.Want(t, "ClientStream", err)
	var all []byte
	for i := range 10 {
		req := parity.Noise(i*1000, uint64(i))
		all = append(all, req...)
		parity.Want(t, "Send", in.Send(req))
	}
	res, err = in.CloseAndRecv()
	parity.Want(t, "CloseAndRecv", err)
	if !bytes.Equal(res, all) {
		t.Errorf("response of %d bytes, want the %d of the requests", len(res), len(all))
	}
}

// gzip compresses a request; C-core's server compresses all responses.
func (c rawCaller) gzip(t *testing.T) {
	c.wire.Received.Store(0)
	c.wire.Sent.Store(0)
	res, err := c.call(parity.Within(t), "Unary", make([]byte, parity.Puffed), parity.Options{Gzip: true})
	parity.Want(t, "Unary", err)
	if !bytes.Equal(res, make([]byte, parity.Puffed)) {
		t.Errorf("response of %d bytes, want the %d zeros of the request", len(res), parity.Puffed)
	}
	parity.WantShrunk(t, "request", c.wire.Sent.Load())
	if c.peer.deflates {
		parity.WantShrunk(t, "response", c.wire.Received.Load())
	}
}

// peerGoAway is about the connection, so one style is enough: the server ends
// while a call goes on.
func peerGoAway(t *testing.T, p *stranger) {
	h := p.start(t)
	defer h.stop()
	ch, err := parity.NewChannel(parity.Dialing{Address: h.address, Options: rawOptions(new(net.Dialer).DialContext)})
	parity.Want(t, "NewChannel", err)
	defer ch.Close()
	s, err := client.BidiStream(parity.Within(t), ch, rawMethod("Bidi", call.BidiStream))
	parity.Want(t, "BidiStream", err)
	echo := func(b []byte) {
		parity.Want(t, "Send", s.Send(&rawMessage{Value: b}))
		res, err := s.Recv()
		parity.Want(t, "Recv", err)
		if !bytes.Equal(res.GetValue(), b) {
			t.Fatalf("response of %d bytes, want the %d of the request", len(res.GetValue()), len(b))
		}
	}
	echo([]byte("before"))
	h.drain()
	for ch.State() == client.Ready { // until GOAWAY
		ch.WaitForStateChange(parity.Within(t), client.Ready)
	}
	echo(parity.Noise(100_000, 1))
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	parity.WantEnd(t, "after CloseSend", err)
	h.wait()
}
