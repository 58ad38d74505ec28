package parity

import (
	"context"
	"net"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
)

// These scenarios are about one end; at the other is a peer in the sync style
// that does not speak protobuf but bytes, and not the shape of the method.

// garbage is no message: its first field has a type that there is not.
var garbage = []byte{0xff, 0xff, 0xff, 0xff}

type rawMethod = call.Method[[]byte, []byte]

// rude makes a client that sends what it likes.
func rude(t *testing.T, p *Pairing, h *Host) *client.Channel {
	t.Helper()
	security := client.WithInsecure()
	if p.Credentials != nil {
		security = client.WithTLS(p.Credentials.Client())
	}
	ch, err := client.NewChannel(h.Address, security, client.WithCodec(disguise{codec.Bytes()}))
	Want(t, "NewChannel", err)
	t.Cleanup(func() { _ = ch.Close() })
	return ch
}

// disguise is bytes that the peer takes for protobuf.
type disguise struct{ codec.Codec }

func (disguise) Name() string { return codec.Proto().Name() }

// rudeHost is a server that answers every call by f.
func rudeHost(t *testing.T, p *Pairing, f func(in *server.RawStream) error) *Host {
	t.Helper()
	kind := HostKind{Name: "rude", Serve: func(
		t *testing.T, lis net.Listener, c *Credentials, s Serving,
	) (drain, stop func()) {
		srv := NewServer(c, s)
		Want(t, "Register", srv.Register(server.Generic(func(_ context.Context, in *server.RawStream) error {
			return f(in)
		})))
		return Run(t, srv, lis, func() {})
	}}
	return kind.Start(t, p.Credentials, Serving{})
}

// A request that does not parse ends its call with INTERNAL; the handler of a
// method with one request does not see it.
func malformedRequest(t *testing.T, p *Pairing) {
	called := make(chan string, 8)
	service := Standard()
	service.Unary = func(Call, []byte) ([]byte, error) { called <- "Unary"; return nil, nil }
	service.ServerStream = func(Call, []byte, Out) error { called <- "ServerStream"; return nil }
	h := p.Serve(t, Serving{Service: service})
	ch := rude(t, p, h)
	for _, m := range []method{unaryMethod, serverStreamMethod, clientStreamMethod, bidiStreamMethod} {
		name := m.Name
		s, err := client.BidiStream(Within(t), ch, rawMethod{Name: name, Shape: call.BidiStream})
		Want(t, name, err)
		Want(t, "Send", s.Send(&garbage))
		Want(t, "CloseSend", s.CloseSend())
		_, err = s.Recv()
		WantCode(t, name, err, cqrpc.CodeInternal)
	}
	select {
	case shape := <-called:
		t.Errorf("the handler of %s got a request that does not parse", shape)
	default:
	}
}

// A method with one request gets one: a client that sends none or two is told
// so (gRPC statuscodes.md, cardinality violations).
func requestCardinality(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{})
	ch := rude(t, p, h)
	for _, name := range []string{unaryMethod.Name, serverStreamMethod.Name} {
		for _, requests := range []int{0, 2} {
			s, err := client.BidiStream(Within(t), ch, rawMethod{Name: name, Shape: call.BidiStream})
			Want(t, name, err)
			for range requests {
				if s.Send(new([]byte)) != nil {
					break // the server has had enough
				}
			}
			_ = s.CloseSend()
			_, err = s.Recv()
			WantCode(t, name, err, cqrpc.CodeUnimplemented)
		}
	}
}

// A response that does not parse ends its call with INTERNAL, and other calls go
// on.
func malformedResponse(t *testing.T, p *Pairing) {
	c := p.Dial(t, rudeHost(t, p, func(in *server.RawStream) error {
		if err := in.Send(call.CopyBuffer(garbage)); err != nil {
			return err
		}
		for { // the client has to give up by itself
			req, err := in.Recv()
			if err != nil {
				return nil
			}
			req.Free()
		}
	}))
	for shape, err := range everyShape(t, c, Options{}) {
		WantCode(t, shape, err, cqrpc.CodeInternal)
	}
}

// A method with one response gets one (gRPC statuscodes.md, cardinality
// violations).
func responseCardinality(t *testing.T, p *Pairing) {
	for _, responses := range []int{0, 2} {
		c := p.Dial(t, rudeHost(t, p, func(in *server.RawStream) error {
			for range responses {
				if err := in.Send(call.CopyBuffer(nil)); err != nil {
					return err
				}
			}
			return nil
		}))
		_, err := c.Unary(Within(t), nil, Options{})
		WantCode(t, "Unary", err, cqrpc.CodeUnimplemented)
		s := begin[Input](t)(c.ClientStream(Within(t), Options{}))
		_, err = s.CloseAndRecv()
		WantCode(t, "ClientStream", err, cqrpc.CodeUnimplemented)
	}
}
