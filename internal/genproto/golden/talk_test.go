package golden

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/genproto/golden/shapes"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// talk runs f in a bubble with a channel to a server with what register adds.
func talk(t *testing.T, register func(*server.Server, *future.Environment) error, f func(*testing.T, *client.Channel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Buffers(t)
		env := future.NewEnvironment(1)
		s, lis := server.New(), memconn.Listen()
		if err := register(s, env); err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			nc, err := lis.Dial(ctx)
			if err != nil {
				return nil, err
			}
			return nc, nil
		}
		ch, err := client.NewChannel("mem.test:1", client.WithInsecure(), client.WithDialer(dial))
		if err != nil {
			t.Fatal(err)
		}
		f(t, ch)
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What is registered without having been written answers so, in every shape.
func TestUnimplementedServers(t *testing.T) {
	for style, register := range map[string]func(*server.Server, *future.Environment) error{
		"sync": func(s *server.Server, _ *future.Environment) error {
			return shapes.RegisterShapesSyncServer(s, shapes.UnimplementedShapesSyncServer{})
		},
		"reactor": func(s *server.Server, _ *future.Environment) error {
			return shapes.RegisterShapesReactorServer(s, shapes.UnimplementedShapesReactorServer{})
		},
		"future": func(s *server.Server, env *future.Environment) error {
			return shapes.RegisterShapesFutureServer(s, shapes.UnimplementedShapesFutureServer{}, env)
		},
	} {
		t.Run(style, func(t *testing.T) {
			talk(t, register, func(t *testing.T, ch *client.Channel) {
				for shape, err := range callAll(t.Context(), shapes.NewShapesSyncClient(ch)) {
					if cqrpc.CodeOf(err) != cqrpc.CodeUnimplemented {
						t.Errorf("%s: %v", shape, err)
					}
				}
			})
		})
	}
}

// callAll makes a call of each shape and returns how it ended.
func callAll(ctx context.Context, c *shapes.ShapesSyncClient) map[string]error {
	ends := make(map[string]error)
	_, ends["unary"] = c.Unary(ctx, &shapes.Request{})
	if up, err := c.ClientStream(ctx); err != nil {
		ends["client stream"] = err
	} else {
		_, ends["client stream"] = up.CloseAndRecv()
	}
	if down, err := c.ServerStream(ctx, &shapes.Request{}); err != nil {
		ends["server stream"] = err
	} else {
		_, ends["server stream"] = down.Recv()
	}
	if both, err := c.BidiStream(ctx); err != nil {
		ends["bidi stream"] = err
	} else {
		_, ends["bidi stream"] = both.Recv()
	}
	return ends
}

// echo implements one method of Shapes; it compiles because it embeds the rest.
type echo struct {
	shapes.UnimplementedShapesSyncServer
}

func (echo) Unary(_ context.Context, req *shapes.Request) (*shapes.Response, error) {
	return &shapes.Response{Text: req.GetText()}, nil
}

// The generated clients of the styles are about the same method.
func TestClientsOfEveryStyle(t *testing.T) {
	register := func(s *server.Server, _ *future.Environment) error { return shapes.RegisterShapesSyncServer(s, echo{}) }
	talk(t, register, func(t *testing.T, ch *client.Channel) {
		ctx, text := t.Context(), "hello"
		req := &shapes.Request{Text: &text}
		check := func(style string, res *shapes.Response, err error) {
			if err != nil || res.GetText() != text {
				t.Errorf("%s: %v, %v", style, res, err)
			}
		}

		res, err := shapes.NewShapesSyncClient(ch).Unary(ctx, req)
		check("sync", res, err)

		var st cqrpc.Status
		res = new(shapes.Response)
		q := cq.New()
		if err := shapes.NewShapesAsyncClient(ch).AsyncUnary(ctx, req, q).Finish(res, &st, "finish"); err != nil {
			t.Fatal(err)
		}
		if ev := q.Next(ctx); ev.Tag != "finish" {
			t.Errorf("event is %v", ev)
		}
		check("queue", res, st.Err())
		q.Shutdown()

		done := make(chan cqrpc.Status)
		res = new(shapes.Response)
		shapes.NewShapesReactorClient(ch).Unary(ctx, req, res, func(st cqrpc.Status) { done <- st })
		check("reactor", res, (<-done).Err())

		env := future.NewEnvironment(1)
		res, err = shapes.NewShapesFutureClient(ch, env).Unary(ctx, req).Await(ctx)
		check("future", res, err)
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
}
