package server_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// serveFiltered is serveHandlers behind filters, with panics dropped.
func serveFiltered(t *testing.T, filter call.Filter, handlers ...server.Handler) *site {
	t.Helper()
	s := server.New(server.WithFilter(filter), server.WithPanicHandler(func(string, any, []byte) {}))
	if err := s.Register(handlers...); err != nil {
		t.Fatal(err)
	}
	return serve(t, s)
}

// book is a filter that notes which calls start and how they end.
type book []string

func (b *book) filter(ctx context.Context, s *call.Start) (context.Context, error) {
	*b = append(*b, "starts "+s.Method)
	s.OnEnd = func(e call.End) { *b = append(*b, "ends "+e.Status.String()) }
	return ctx, nil
}

func (b *book) want(t *testing.T, why string, lines ...string) {
	t.Helper()
	if got, want := fmt.Sprintf("%q", *b), fmt.Sprintf("%q", lines); got != want {
		t.Errorf("%s: the filter saw %s, want %s", why, got, want)
	}
	*b = nil
}

// A filter of the sync style may wait: it has the handler's goroutine, and other calls
// of the connection go on.
func TestFilterWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		x := serveFiltered(t, func(ctx context.Context, s *call.Start) (context.Context, error) {
			if s.Metadata.Get("wait") != "" {
				<-release
			}
			return ctx, nil
		}, server.Unary(unary, echo))
		p := x.dial()
		p.Request(1, unary.Name, "wait", "long")
		p.WriteMessage(1, true, encoded("first"))
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, encoded("second"))
		p.WantResponse("the second does not wait", 3)
		p.WantMessage("the second", 3, false, encoded("re: second"))
		p.WantTrailers("the second", 3, 0)
		p.WantIdle("the first waits")
		close(release)
		p.WantResponse("the first", 1)
		p.WantMessage("the first", 1, false, encoded("re: first"))
		p.WantTrailers("the first", 1, 0)
	})
}

// Filters do not see what the server answers by itself.
func TestFiltersSeeWhatReachesTheApplication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen book
		x := serveFiltered(t, seen.filter, server.Unary(unary, echo))
		p := x.dial()
		p.Request(1, "/test.Echo/NoSuch")
		p.WantHeaders("nobody serves it", 1, true, "grpc-status", "12")
		p.WantRST("the client was not done", 1, http2.ErrCodeNo)
		p.Request(3, unary.Name)
		p.WriteRST(3, http2.ErrCodeCancel)
		p.WantIdle("the call died before its request came")
		synctest.Wait()
		seen.want(t, "neither has reached a handler")
	})
}

// A refused request is not even decoded.
func TestFilterRefusesBeforeTheCodec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveFiltered(t, func(context.Context, *call.Start) (context.Context, error) {
			return nil, cqrpc.Errorf(cqrpc.CodePermissionDenied, "no")
		}, server.Unary(unary, echo))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, []byte{0xff, 0xff})
		p.WantHeaders("INTERNAL would say that it was decoded", 1, true, "grpc-status", "7")
	})
}

// However a handler ends, the filters are told what the client is, and once.
func TestFiltersAreToldTheEndOfHandlers(t *testing.T) {
	const panicking = "INTERNAL: panic in handler"
	for want, handler := range map[string]server.Handler{
		"OK": server.Unary(unary, echo),
		"NOT_FOUND: none": server.Unary(unary, func(context.Context, *text) (*text, error) {
			return nil, cqrpc.Errorf(cqrpc.CodeNotFound, "none")
		}),
		panicking: server.Unary(unary, func(context.Context, *text) (*text, error) { panic("x") }),
		"INTERNAL: handler returned neither a response nor an error": server.Unary(unary,
			func(context.Context, *text) (*text, error) { return nil, nil }), //nolint:nilnil // the mistake under test
	} {
		t.Run(want, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var seen book
				x := serveFiltered(t, seen.filter, handler)
				p := x.dial()
				p.Request(1, unary.Name)
				p.WriteMessage(1, true, encoded("x"))
				p.Ignore(http2.FrameHeaders, http2.FrameData)
				p.WantIdle("answered")
				seen.want(t, "once", "starts "+unary.Name, "ends "+want)
			})
		})
	}
}

// Contexts that filters derive end with the call, and what they set is the call's.
func TestFilterDerivesAContext(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		var derived context.Context
		x := serveFiltered(t, func(ctx context.Context, s *call.Start) (context.Context, error) {
			info, ok := server.Incoming(ctx)
			if !ok || info.Method != s.Method || ctx.Value(key{}) != nil {
				t.Errorf("the filter is given %+v, %v", info, ctx.Value(key{}))
			}
			if err := server.SetHeader(ctx, cqrpc.Pairs("h", "1")); err != nil {
				t.Error(err)
			}
			derived = context.WithValue(ctx, key{}, "v")
			var cancel context.CancelFunc
			derived, cancel = context.WithCancel(derived)
			context.AfterFunc(derived, cancel)
			return derived, nil
		}, server.Unary(unary, func(ctx context.Context, _ *text) (*text, error) {
			v, _ := ctx.Value(key{}).(string)
			if _, ok := server.Incoming(context.WithoutCancel(ctx)); !ok {
				t.Error("the handler's context is no call's")
			}
			return wrapperspb.String(v), ctx.Err()
		}))
		p := x.dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, encoded("x"))
		p.WantResponse("the filter's", 1, "h", "1")
		p.WantMessage("the handler has the filter's value", 1, false, encoded("v"))
		p.WantTrailers("answered", 1, 0)
		<-derived.Done()
	})
}

// A style lets the server's filters see its calls, before its handler.
func TestStyleWithFilters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen book
		refused := 0
		x := serveFiltered(t, func(ctx context.Context, s *call.Start) (context.Context, error) {
			ctx, _ = seen.filter(ctx, s)
			if s.Metadata.Get("who") == "" {
				return nil, cqrpc.Errorf(cqrpc.CodeUnauthenticated, "who?")
			}
			return ctx, nil
		}, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			var ctx server.Context
			ctx.ForStyle().Bind(a.Call, nil)
			var st cqrpc.Status
			if refusal := a.Admit(&ctx); refusal != nil {
				refused++
				st = refusal.Status
			}
			a.Release()
			if err := a.Call.StartBatchOn(cq.Discard, []call.Op{call.SendStatus(st, nil)}, nil); err != nil {
				t.Error(err)
			}
			a.Done()
		}))
		p := x.dial()
		p.Ignore(http2.FrameRSTStream)
		p.Request(1, bidi.Name)
		p.WantHeaders("refused", 1, true, "grpc-status", "16")
		p.Request(3, bidi.Name, "who", "alice")
		p.WantHeaders("let in", 3, true, "grpc-status", "0")
		p.WantIdle("answered")
		seen.want(t, "both", "starts "+bidi.Name, "ends UNAUTHENTICATED: who?", "starts "+bidi.Name, "ends OK")
		if refused != 1 {
			t.Errorf("%d were refused", refused)
		}
	})
}

// A request that is not to be served has cost no compressor either, and its status is the
// refusal's.
func TestFilterRefusesBeforeTheCompressor(t *testing.T) {
	refuse := func(context.Context, *call.Start) (context.Context, error) {
		return nil, cqrpc.Errorf(cqrpc.CodePermissionDenied, "no")
	}
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithFilter(refuse), server.WithCompressors(codec.NewCompressors(untouched{t})))
		if err := s.Register(server.Unary(unary, echo)); err != nil {
			t.Fatal(err)
		}
		m, err := s.RegisterMethod(serverStream.Name, server.PayloadOnly)
		q := cq.New()
		if err := errors.Join(err, s.AddQueue(q)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close(context.Background()) })
		p := serve(t, s).dial()
		slot := new(server.IncomingCall)
		if err := s.RequestRegisteredCall(m, slot, q, q, "request"); err != nil {
			t.Fatal(err)
		}
		for i, method := range []string{unary.Name, serverStream.Name} {
			id := uint32(2*i + 1)
			p.Request(id, method, "grpc-encoding", "untouched")
			p.WriteData(id, true, []byte{1, 0, 0, 0, 1, 'x'})
			wantNoTag(t, q)
			p.WantHeaders("the refusal", id, true, "grpc-status", "7")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantTag(t, q, "request", false)
	})
}

// untouched is a compressor that is not to be used.
type untouched struct{ t *testing.T }

func (untouched) Name() string { return "untouched" }

func (u untouched) Compress(dst, _ []byte) ([]byte, error) {
	u.t.Error("compressed")
	return dst, nil
}

func (u untouched) Decompress(dst, _ []byte, _ int) ([]byte, error) {
	u.t.Error("decompressed")
	return dst, nil
}
