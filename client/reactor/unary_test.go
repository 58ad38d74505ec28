package reactor_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
	serverreactor "github.com/cqrpc/cqrpc/server/reactor"
)

// result is where the callback form leaves its status.
type result struct {
	res  text
	st   cqrpc.Status
	runs int
}

func (s *scene) unary(ctx context.Context, req string, opts ...client.CallOption) *result {
	s.Helper()
	r := new(result)
	reactor.Unary(ctx, s.stub, unary, wrapperspb.String(req), &r.res, func(st cqrpc.Status) {
		r.st = st
		r.runs++
	}, opts...)
	s.wait()
	return r
}

func (r *result) want(s *scene, why string, res string, code cqrpc.Code) {
	s.Helper()
	if r.runs != 1 || r.st.Code != code || r.res.Value != res {
		s.Fatalf("%s: ran %d times, status %v, response %q; want once, %v, %q", why, r.runs, r.st, r.res.Value, code, res)
	}
}

func TestSimpleRPC(t *testing.T) {
	play(t, func(s *scene) {
		s.unary(s.Context(), "hello").want(s, "one request, one response", "hello", cqrpc.CodeOK)
		s.unary(s.Context(), "").want(s, "an empty message is a message", "", cqrpc.CodeOK)
		s.unary(s.Context(), "x", client.WithMetadata(cqrpc.Pairs("code", "5"))).
			want(s, "an error has no response", "", cqrpc.CodeNotFound)
	})
}

// Who does not want the response gets the status.
func TestUnwantedResponse(t *testing.T) {
	play(t, func(s *scene) {
		ran := make(chan cqrpc.Status, 1)
		reactor.Unary(s.Context(), s.stub, unary, wrapperspb.String("x"), nil, func(st cqrpc.Status) { ran <- st })
		if st := <-ran; st.Code != cqrpc.CodeOK {
			s.Error(st)
		}
	})
}

// Who does not want the status either gives no function; the call is made all the same.
func TestUnwantedStatus(t *testing.T) {
	served := make(chan string, 1)
	count := func(opts ...serverreactor.Option) server.Handler {
		return serverreactor.Unary(unary, func(ctx *serverreactor.Context, req, _ *text) serverreactor.UnaryReactor {
			served <- req.Value
			r := ctx.DefaultReactor()
			r.Finish(cqrpc.Status{})
			return r
		}, opts...)
	}
	play(t, func(s *scene) {
		reactor.Unary(s.Context(), s.stub, unary, wrapperspb.String("x"), nil, nil)
		s.wait()
		if got := <-served; got != "x" {
			s.Errorf("served %q", got)
		}
	}, count)
}

// done never runs inside Unary, so the caller may hold a lock that done wants.
func TestSimpleRPCUnderLock(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		for _, ctx := range []context.Context{s.Context(), ctx} {
			var mu sync.Mutex
			ran := make(chan struct{})
			mu.Lock()
			reactor.Unary(ctx, s.stub, unary, wrapperspb.String("x"), new(text), func(cqrpc.Status) {
				mu.Lock()
				defer mu.Unlock()
				close(ran)
			})
			mu.Unlock()
			<-ran
		}
	})
}

// The same with calls started from callbacks (SimpleRpcUnderLockNested).
func TestSimpleRPCUnderLockNested(t *testing.T) {
	play(t, func(s *scene) {
		const depth = 3
		var locks [depth]sync.Mutex
		ran := make(chan struct{})
		var start func(i int)
		start = func(i int) {
			if i == depth {
				close(ran)
				return
			}
			locks[i].Lock()
			reactor.Unary(s.Context(), s.stub, unary, wrapperspb.String("x"), new(text), func(cqrpc.Status) {
				locks[i].Lock()
				defer locks[i].Unlock()
				start(i + 1)
			})
			locks[i].Unlock()
		}
		start(0)
		<-ran
	})
}

func TestSequentialRPCs(t *testing.T) {
	play(t, func(s *scene) {
		left := 10
		ended := make(chan cqrpc.Status)
		req, res := wrapperspb.String("x"), new(text)
		var next func(st cqrpc.Status)
		next = func(st cqrpc.Status) {
			if left--; left == 0 || st.Code != cqrpc.CodeOK {
				ended <- st
				return
			}
			reactor.Unary(s.Context(), s.stub, unary, req, res, next)
		}
		go next(ok)
		if st := <-ended; st.Code != cqrpc.CodeOK || res.Value != "x" {
			s.Error(st, res)
		}
	})
}

func TestMultipleRPCs(t *testing.T) {
	play(t, func(s *scene) {
		var all sync.WaitGroup
		for i := range 50 {
			all.Add(1)
			req, res := wrapperspb.String(fmt.Sprint(i)), new(text)
			reactor.Unary(s.Context(), s.stub, unary, req, res, func(st cqrpc.Status) {
				defer all.Done()
				if st.Code != cqrpc.CodeOK || res.Value != req.Value {
					s.Errorf("%v, %q; want %q", st, res.Value, req.Value)
				}
			})
		}
		all.Wait()
	})
}

// Initial and trailing metadata, text and binary, and the peer, by options.
func TestMetadata(t *testing.T) {
	play(t, func(s *scene) {
		var header, trailer cqrpc.Metadata
		var peer call.Peer
		r := s.unary(s.Context(), "x", client.WithMetadata(cqrpc.Pairs("echo", "v1")),
			client.HeaderTo(&header), client.TrailerTo(&trailer), client.PeerTo(&peer))
		r.want(s, "metadata does not change the answer", "x", cqrpc.CodeOK)
		if header.Get("echo") != "v1" || trailer.Get("echo-trailing") != "v1" || peer.String() == "" {
			s.Errorf("header %v, trailer %v, peer %v", header, trailer, peer)
		}
	})
}

// Who is told of the end finds metadata and peer where the options have put them.
func TestMetadataIsThereWhenDone(t *testing.T) {
	play(t, func(s *scene) {
		var header, trailer cqrpc.Metadata
		var peer call.Peer
		seen := ""
		reactor.Unary(s.Context(), s.stub, unary, wrapperspb.String("x"), nil, func(cqrpc.Status) {
			seen = fmt.Sprintf("%s %s %v", header.Get("echo"), trailer.Get("echo-trailing"), peer.Addr != nil)
		}, client.WithMetadata(cqrpc.Pairs("echo", "v")),
			client.HeaderTo(&header), client.TrailerTo(&trailer), client.PeerTo(&peer))
		s.wait()
		if seen != "v v true" {
			s.Errorf("done has seen %q", seen)
		}
	})
}

func TestCancelRPCBeforeStart(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		s.unary(ctx, "x").want(s, "the context had ended", "", cqrpc.CodeCanceled)
		c := newCaller(s)
		reactor.UnaryWith(s.Context(), s.stub, unary, wrapperspb.String("x"), &c.res, c)
		c.TryCancel()
		c.StartCall()
		c.want("cancelled before it was started", "header false", "done CANCELLED")
		// Before it has a call, too.
		c = newCaller(s)
		c.TryCancel()
		reactor.UnaryWith(s.Context(), s.stub, unary, wrapperspb.String("x"), &c.res, c)
		c.StartCall()
		c.want("cancelled before it had a call", "header false", "done CANCELLED")
	})
}

func TestRequestEchoServerCancel(t *testing.T) {
	play(t, func(s *scene) {
		r := s.unary(s.Context(), "x", client.WithMetadata(cqrpc.Pairs("cancel", "before")))
		r.want(s, "the server gave up", "", cqrpc.CodeCanceled)
		if r.st.Message != "Cancelled on the server side" {
			s.Error(r.st)
		}
	})
}

func TestUnserialisableRequest(t *testing.T) {
	play(t, func(s *scene) {
		r := new(result)
		reactor.Unary(s.Context(), s.stub, unary, wrapperspb.String("\xff"), &r.res, func(st cqrpc.Status) {
			r.st = st
			r.runs++
		})
		s.wait()
		r.want(s, "protobuf strings are UTF-8", "", cqrpc.CodeInternal)
		s.unary(s.Context(), "x", client.WithMetadata(cqrpc.Metadata{{Key: "No", Value: "v"}})).
			want(s, "keys are lower case", "", cqrpc.CodeInternal)
	})
	play(t, func(s *scene) {
		c := newCaller(s)
		reactor.UnaryWith(s.Context(), s.stub, unary, wrapperspb.String("\xff"), &c.res, c)
		c.StartCall()
		c.want("who waits for the header is told, too", "header false", "done INTERNAL")
	})
}

// caller is a unary reactor that also sees the initial metadata.
type caller struct {
	reactor.UnaryBase
	journal
	res text
}

func newCaller(s *scene) *caller { return &caller{journal: journal{t: s.T}} }

func (c *caller) OnReadInitialMetadataDone(ok bool) { c.note("header %v", ok)() }
func (c *caller) OnDone(st cqrpc.Status)            { c.done(st) }

func TestUnaryReactor(t *testing.T) {
	play(t, func(s *scene) {
		c := newCaller(s)
		reactor.UnaryWith(s.Context(), s.stub, unary, wrapperspb.String("x"), &c.res, c,
			client.WithMetadata(cqrpc.Pairs("echo", "v")))
		c.StartCall()
		c.want("the header comes first", "header true", "done OK")
		if c.Header().Get("echo") != "v" || c.Trailer().Get("echo-trailing") != "v" || c.res.Value != "x" {
			s.Errorf("header %v, trailer %v, response %v", c.Header(), c.Trailer(), &c.res)
		}
	})
}

func TestGenericUnary(t *testing.T) {
	play(t, func(s *scene) {
		var res []byte
		ran := make(chan cqrpc.Status, 1)
		reactor.GenericUnary(s.Context(), s.stub, unary.Name, []byte{10, 1, 'x'}, &res,
			func(st cqrpc.Status) { ran <- st }, client.WithMetadata(nil))
		if st := <-ran; st.Code != cqrpc.CodeOK || string(res) != "\n\x01x" {
			s.Errorf("%v, %q", st, res)
		}
	})
}

// A codec that the caller names wins.
func TestGenericUnaryWithACodec(t *testing.T) {
	play(t, func(s *scene) {
		k := &witness{Codec: codec.BytesNamed("proto")}
		var res []byte
		reactor.GenericUnary(s.Context(), s.stub, unary.Name, []byte{10, 1, 'x'}, &res, func(cqrpc.Status) {},
			client.WithCallCodec(k))
		s.wait()
		if string(res) != "\n\x01x" || k.requests != 1 {
			s.Errorf("%q, %d requests", res, k.requests)
		}
	})
}

// witness counts what a codec marshals.
type witness struct {
	codec.Codec
	requests int
}

func (w *witness) Append(dst []byte, v any) ([]byte, error) {
	w.requests++
	return w.Codec.Append(dst, v)
}

func TestUnimplementedRPC(t *testing.T) {
	play(t, func(s *scene) {
		var st cqrpc.Status
		m := call.Method[text, text]{Name: "/test.Echo/Nothing"}
		reactor.Unary(s.Context(), s.stub, m, new(text), new(text), func(got cqrpc.Status) { st = got })
		s.wait()
		if st.Code != cqrpc.CodeUnimplemented {
			s.Error(st)
		}
	})
}
