package server_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// wordy has a lot to say in header blocks: what the request asks for.
func wordy(ctx context.Context, req *text) (*text, error) {
	much := strings.Repeat("many words ", 300)
	switch req.Value {
	case "header":
		if err := server.SetHeader(ctx, cqrpc.Pairs("k", much)); err != nil {
			return nil, err
		}
	case "trailer":
		if err := server.SetTrailer(ctx, cqrpc.Pairs("k", much)); err != nil {
			return nil, err
		}
	case "status":
		return nil, cqrpc.Errorf(cqrpc.CodeNotFound, "%s", much)
	}
	return &text{Value: req.Value}, nil
}

// TestPeersHeaderListLimit: metadata that the peer does not accept (RFC 9113
// section 10.5.1) costs its own call, and neither the connection nor, if it is
// only the text of a status, the code.
func TestPeersHeaderListLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		limited := transport.Config{MaxHeaderList: 2000}
		s := server.New(server.WithTransport(limited))
		if err := s.Register(server.Unary(unary, wordy)); err != nil {
			t.Fatal(err)
		}
		x := serve(t, s)
		dialed := 0
		ch, err := cqclient.NewChannel("passthrough:///mem", cqclient.WithInsecure(), cqclient.WithTransport(limited),
			cqclient.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
				dialed++
				return x.net.Dial(ctx)
			}))
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		much := cqclient.WithMetadata(cqrpc.Pairs("k", strings.Repeat("y", 100_000)))
		for _, test := range []struct {
			request string
			opts    []cqclient.CallOption
			want    cqrpc.Code
			origin  cqrpc.Origin
		}{
			{"nothing", nil, cqrpc.CodeOK, 0},
			{"much", []cqclient.CallOption{much}, cqrpc.CodeResourceExhausted, cqrpc.OriginLocal},
			{"header", nil, cqrpc.CodeResourceExhausted, cqrpc.OriginRemote},
			{"trailer", nil, cqrpc.CodeResourceExhausted, cqrpc.OriginRemote},
			{"status", nil, cqrpc.CodeNotFound, cqrpc.OriginRemote},
			{"nothing", nil, cqrpc.CodeOK, 0},
		} {
			_, err := cqclient.Unary(t.Context(), ch, unary, &text{Value: test.request}, test.opts...)
			if got := cqrpc.CodeOf(err); got != test.want {
				t.Errorf("%s: got %v; want %v", test.request, err, test.want)
			}
			if e, ok := errors.AsType[*cqrpc.Error](err); ok && e.Origin != test.origin {
				t.Errorf("%s: %v has origin %v; want %v", test.request, err, e.Origin, test.origin)
			}
			if test.request == "status" && !strings.HasPrefix(cqrpc.StatusOf(err).Message, "many words many") {
				t.Errorf("%s: message %q", test.request, cqrpc.StatusOf(err).Message)
			}
		}
		if dialed != 1 {
			t.Errorf("%d connections were made; want 1 to survive all", dialed)
		}
	})
}

// TestReservedMetadata: what HTTP/2 and gRPC keep for themselves does not go out
// as metadata, in either direction, whatever the application says.
func TestReservedMetadata(t *testing.T) {
	reserved := cqrpc.Pairs("connection", "x", "keep-alive", "x", "proxy-connection", "x", "transfer-encoding", "chunked",
		"upgrade", "x", "te", "x", "host", "x", "content-length", "1", "content-type", "x", "user-agent", "x",
		"grpc-timeout", "1n", "grpc-encoding", "x", "grpc-accept-encoding", "x", "grpc-status", "13", "grpc-message", "x",
		"grpc-status-details-bin", "x", "kept", "  trimmed ")
	bubble(t, func(t *testing.T) {
		var got cqrpc.Metadata
		x := serveHandlers(t, server.Unary(unary, func(ctx context.Context, req *text) (*text, error) {
			in, _ := server.Incoming(ctx)
			got = in.Metadata
			return req, errors.Join(server.SetHeader(ctx, reserved), server.SetTrailer(ctx, reserved))
		}))
		c := x.client()
		var header, trailer cqrpc.Metadata
		var st cqrpc.Status
		w := new(cq.Waiter)
		k := call.NewClient(nil, call.Config{Completer: w, Method: unary.Name, Authority: "test"}, c)
		defer k.Close()
		err := k.StartBatch([]call.Op{
			call.SendInitialMetadata(reserved), call.SendValue(&text{}), call.SendClose(),
			call.RecvInitialMetadata(&header), call.RecvValue(new(text), nil), call.RecvStatus(&st, &trailer),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Wait(t.Context())
		if st.Code != cqrpc.CodeOK {
			t.Fatalf("the call ended with %v", st)
		}
		for _, md := range []cqrpc.Metadata{got, header, trailer} {
			if len(md) != 1 || md.Get("kept") != "trimmed" {
				t.Errorf("metadata %v with %q arrived; want what is the application's, without spaces", md, md.Get("kept"))
			}
		}
	})
}
