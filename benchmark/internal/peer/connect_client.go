package peer

import (
	"cmp"
	"context"
	"io"
	"net/http"

	"connectrpc.com/connect"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// connectClient has a Transport per connection. The end of its context ends all
// streams.
type connectClient struct {
	setup      load.Setup
	transports []*http.Transport
	ctx        context.Context //nolint:containedctx // of all that the client does, from New to Close
	cancel     context.CancelFunc
}

// NewConnectClient returns a client of connect-go that speaks gRPC over
// unencrypted HTTP/2.
func NewConnectClient(setup load.Setup) (load.Client, error) {
	c := &connectClient{setup: setup}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

func (c *connectClient) Dial() (load.Conn, error) {
	t := &http.Transport{
		Protocols: unencryptedHTTP2(),
		HTTP2:     &http.HTTP2Config{StrictMaxConcurrentRequests: true},
	}
	c.transports = append(c.transports, t)
	doer := &http.Client{Transport: t}
	// By default it asks for gzip, and its server complies: nobody else here compresses.
	opts := connect.WithClientOptions(connect.WithGRPC(), connect.WithAcceptCompression("gzip", nil, nil))
	client := func(method string) *connect.Client[request, response] {
		return connect.NewClient[request, response](doer, "http://"+c.setup.Addr+method, opts)
	}
	return &connectConn{
		client: c, unary: client(service.UnaryName), pingPong: client(service.PingPongName),
		down: client(service.DownName), up: client(service.UpName),
	}, nil
}

func (c *connectClient) Close() error {
	c.cancel()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
	return nil
}

type connectConn struct {
	client                    *connectClient
	unary, pingPong, down, up *connect.Client[request, response]
}

func (c *connectConn) Unary(t *load.Turn) load.Slot {
	req := service.Ask(c.client.setup.Up, c.client.setup.Down)
	return load.Blocking(t, func() error {
		ctx, cancel := c.client.setup.Context()
		defer cancel()
		res, err := c.unary.CallUnary(ctx, connect.NewRequest(req))
		if err != nil {
			return err
		}
		return service.Check(res.Msg, c.client.setup.Down)
	})
}

func (c *connectConn) PingPong(t *load.Turn) load.Slot {
	req := service.Request(c.client.setup.Size)
	var s *connect.BidiStreamForClient[request, response]
	return load.Blocking(t, func() error {
		if s == nil {
			s = c.pingPong.CallBidiStream(c.client.ctx)
		}
		if err := s.Send(req); err != nil {
			return err
		}
		res, err := s.Receive()
		if err != nil {
			return err
		}
		return service.Check(res, c.client.setup.Size)
	})
}

func (c *connectConn) Down(t *load.Turn) load.Slot {
	req := service.RequestDown(c.client.setup.Size)
	var s *connect.ServerStreamForClient[response]
	return load.Blocking(t, func() (err error) {
		if s == nil {
			if s, err = c.down.CallServerStream(c.client.ctx, connect.NewRequest(req)); err != nil {
				return err
			}
		}
		if !s.Receive() {
			return cmp.Or(s.Err(), io.ErrUnexpectedEOF)
		}
		return service.Check(s.Msg(), c.client.setup.Size)
	})
}

func (c *connectConn) Up(t *load.Turn) load.Slot {
	req := service.Request(c.client.setup.Size)
	var s *connect.ClientStreamForClient[request, response]
	return load.Blocking(t, func() error {
		if s == nil {
			s = c.up.CallClientStream(c.client.ctx)
		}
		return s.Send(req)
	})
}
