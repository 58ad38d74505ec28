package ledger

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// HostKind makes servers by batches that are all in the book.
func HostKind(b *Book) parity.HostKind {
	return parity.HostKind{Name: "ledger", Serve: func(
		t *testing.T, lis net.Listener, _ *parity.Credentials, s parity.Serving,
	) (drain, stop func()) {
		srv := server.New(s.Options...)
		wait, err := Mount(srv, b, "/"+parity.ServiceName+"/", s.OrStandard())
		parity.Want(t, "Mount", err)
		return parity.Run(t, srv, lis, wait)
	}}
}

// Mount puts a service on a server that does not serve yet, under names with a
// prefix. wait is for after the server was closed.
func Mount(srv *server.Server, b *Book, prefix string, s *parity.Service) (wait func(), err error) {
	work := new(sync.WaitGroup)
	for shape, serve := range map[string]func(g *guest) ([]byte, error){
		"Unary": func(g *guest) ([]byte, error) {
			req, err := g.one()
			if err != nil {
				return nil, err
			}
			return s.Unary(g, req)
		},
		"ServerStream": func(g *guest) ([]byte, error) {
			req, err := g.one()
			if err != nil {
				return nil, err
			}
			return nil, s.ServerStream(g, req, g)
		},
		"ClientStream": func(g *guest) ([]byte, error) { return s.ClientStream(g, g) },
		"BidiStream":   func(g *guest) ([]byte, error) { return nil, s.BidiStream(g, g, g) },
	} {
		hasOne := shape == "Unary" || shape == "ClientStream"
		err := srv.Register(server.NewHandler(prefix+shape, shapeNamed[shape], func(a server.Accepted) {
			work.Go(func() { (&guest{accepted: a, book: b, hasOne: hasOne}).run(serve) })
		}))
		if err != nil {
			return nil, err
		}
	}
	return work.Wait, nil
}

var shapeNamed = map[string]call.Shape{
	"Unary": call.Unary, "ServerStream": call.ServerStream,
	"ClientStream": call.ClientStream, "BidiStream": call.BidiStream,
}

// guest is one call on a goroutine of its own.
type guest struct {
	server   server.Context
	accepted server.Accepted
	book     *Book
	hasOne   bool // response
}

// run serves the call to its end and waits until it is over.
func (g *guest) run(serve func(*guest) ([]byte, error)) {
	defer g.accepted.Done()
	closed := g.book.Expect("end of " + g.accepted.Call.Method())
	g.server.ForStyle().Bind(g.accepted.Call, closed)
	res, err := serve(g)
	g.accepted.Release()
	st := cqrpc.StatusOf(err)
	var response *call.Op
	if g.hasOne && err == nil {
		op := call.SendValue(&parity.Message{Value: res})
		response = &op
	}
	ops, _ := g.server.ForStyle().EndResponse(nil, response, st)
	if e, err := g.start(ops...); err == nil {
		e.Wait()
	} else {
		g.accepted.Call.CancelWithStatus(cqrpc.CodeInternal, err.Error())
	}
	closed.Wait()
}

func (g *guest) start(ops ...call.Op) (*Entry, error) {
	return g.book.Start(g.accepted.Call, "server of "+g.server.Method(), ops...)
}

// do starts a batch and waits for it; the error is that of its event.
func (g *guest) do(ops ...call.Op) error {
	e, err := g.start(ops...)
	if err != nil {
		return err
	}
	ev := e.Wait()
	if !ev.OK && ev.Err == nil {
		return fmt.Errorf("%v failed", e)
	}
	return ev.Err
}

// one is the one request.
func (g *guest) one() ([]byte, error) {
	req, err := g.Recv()
	if err == io.EOF { //nolint:errorlint // Recv's own
		err = cqrpc.Errorf(cqrpc.CodeUnimplemented, "no request message")
	}
	return req, err
}

// Recv implements parity.In.
func (g *guest) Recv() ([]byte, error) {
	req, got := new(parity.Message), false
	if err := g.do(call.RecvValue(req, &got)); err != nil {
		return nil, err
	}
	if !got {
		return nil, io.EOF
	}
	return req.GetValue(), nil
}

// Send implements parity.Out.
func (g *guest) Send(res []byte) error {
	return g.do(append(g.server.ForStyle().BeginResponse(nil), call.SendValue(&parity.Message{Value: res}))...)
}

// Context and the others implement parity.Call.
func (g *guest) Context() context.Context           { return &g.server }
func (g *guest) Metadata() cqrpc.Metadata           { return g.server.Metadata() }
func (g *guest) Authority() string                  { return g.server.Authority() }
func (g *guest) Peer() string                       { return g.server.Peer().Addr.String() }
func (g *guest) SetHeader(md cqrpc.Metadata) error  { return g.server.SetHeader(md) }
func (g *guest) SetTrailer(md cqrpc.Metadata) error { return g.server.SetTrailer(md) }
func (g *guest) TryCancel()                         { g.server.TryCancel() }

// SendHeader implements parity.Call.
func (g *guest) SendHeader(md cqrpc.Metadata) error {
	if err := g.server.SetHeader(md); err != nil {
		return err
	}
	return g.do(g.server.ForStyle().BeginResponse(nil)...)
}
