package reactor_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// executors are where the methods of these tests run.
var executors = map[string][]reactor.Option{
	"pool":   {reactor.Reusing()},
	"inline": {reactor.Reusing(), reactor.Inline()},
}

// sightings counts how often a handler was given the memory of each call.
type sightings map[*text]int

// calls makes 100 calls, one after the other, of a reusing method that f serves, and returns how
// many of them had memory of their own.
func (s sightings) calls(
	t *testing.T, how []reactor.Option, f func(*reactor.Context, *text, *text) reactor.UnaryReactor, opts ...server.Option,
) int {
	t.Helper()
	serveOnLoopback(t, reactor.Unary(unary, func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
		if res.Value != "" {
			t.Errorf("the response begins as %q", res.Value)
		}
		s[res]++
		return f(ctx, req, res)
	}, how...), opts, func(ch *client.Channel) {
		for i := range 100 {
			var header, trailer cqrpc.Metadata
			res, err := client.Unary(t.Context(), ch, unary, wrapperspb.String(strconv.Itoa(i)),
				client.HeaderTo(&header), client.TrailerTo(&trailer))
			want := ""
			if i%2 == 0 {
				want = strconv.Itoa(i)
			}
			switch {
			case err != nil:
				t.Fatal(err)
			case res.Value != "re: "+strconv.Itoa(i):
				t.Fatalf("call %d was answered %q", i, res.Value)
			case header.Get("even") != want || trailer.Get("even") != want:
				t.Fatalf("call %d has header %v and trailer %v", i, header, trailer)
			}
		}
	})
	return len(s)
}

// serveOnLoopback serves h while f uses a channel to it.
func serveOnLoopback(t *testing.T, h server.Handler, opts []server.Option, f func(*client.Channel)) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(opts...)
	if err := s.Register(h); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	defer func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-served
	}()
	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	f(ch)
}

// reply fills a response, and the metadata of every other.
func reply(ctx *reactor.Context, req, res *text) {
	res.Value = "re: " + req.Value
	if i, err := strconv.Atoi(req.Value); err == nil && i%2 == 0 {
		_ = ctx.SetHeader(cqrpc.Pairs("even", req.Value)) // the caller looks
		_ = ctx.SetTrailer(cqrpc.Pairs("even", req.Value))
	}
}

// Nothing of a call is seen in the next one that has its memory.
func TestReusing(t *testing.T) {
	for name, how := range executors {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			n := sightings{}.calls(t, how, func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
				reply(ctx, req, res)
				r := ctx.DefaultReactor()
				r.Finish(ok)
				return r
			}, server.WithCodecs(codec.ProtoReusing()))
			if n == 100 { // a pool forgets some, and the race detector's a quarter
				t.Error("no call had the memory of another")
			}
		})
	}
}

// Where the application may still know of a call, that keeps its memory.
func TestReusingSparesOthers(t *testing.T) {
	keepsNothing := func(ctx context.Context, _ *call.Start) (context.Context, error) { return ctx, nil }
	for what, x := range map[string]struct {
		handler func(*reactor.Context, *text, *text) reactor.UnaryReactor
		opts    []server.Option
	}{
		"a reactor of the application's": {handler: func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
			reply(ctx, req, res)
			r := new(struct{ reactor.UnaryBase })
			r.Finish(ok)
			return r
		}},
		"another reaction is to come": {handler: func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
			reply(ctx, req, res)
			r := ctx.DefaultReactor()
			r.StartSendInitialMetadata()
			r.Finish(ok)
			return r
		}},
		"filters": {handler: func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
			reply(ctx, req, res)
			r := ctx.DefaultReactor()
			r.Finish(ok)
			return r
		}, opts: []server.Option{server.WithFilter(keepsNothing)}},
	} {
		for name, how := range executors {
			t.Run(what+"/"+name, func(t *testing.T) {
				leak.Check(t)
				seen := sightings{} // which keeps the memory of each call
				if n := seen.calls(t, how, x.handler, x.opts...); n != 100 {
					t.Errorf("100 calls had the memory of %d", n)
				}
			})
		}
	}
}

// A call that is finished later keeps its memory until then: whoever is to finish it has it.
func TestReusingSparesWhatIsFinishedLater(t *testing.T) {
	play(t, func(s *stage) {
		var pending *reactor.DefaultReactor
		seen := sightings{}
		s.serve(reactor.Unary(unary, func(ctx *reactor.Context, _, res *text) reactor.UnaryReactor {
			seen[res]++
			pending = ctx.DefaultReactor()
			return pending
		}, append(s.opts, reactor.Reusing())...))
		for i := range 10 {
			id := uint32(2*i + 1)
			s.unary(id, "x")
			if s.WantIdle("not finished yet"); i%2 == 1 {
				s.WriteRST(id, http2.ErrCodeCancel)
				s.WantIdle("cancelled")
				pending.Finish(ok)
				continue
			}
			pending.Finish(ok)
			s.WantResponse("headers", id)
			s.WantMessage("message", id, false, nil)
			s.WantTrailers("status", id, 0)
		}
		if len(seen) != 10 {
			t.Errorf("10 calls had the memory of %d", len(seen))
		}
	})
}

// Many calls at a time, many of which end before they are answered, never meet in one piece of
// memory. The race detector looks, too.
func TestReusingConcurrently(t *testing.T) {
	for name, how := range executors {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			h := reactor.Unary(unary, func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
				id := ctx.Metadata().Get("id")
				if id != req.Value {
					t.Errorf("the call of %q has the request of %q", id, req.Value)
				}
				done := ctx.Done()
				res.Value = id
				r := ctx.DefaultReactor()
				r.Finish(ok)
				select {
				case <-done:
				default:
				}
				return r
			}, how...)
			serveOnLoopback(t, h, []server.Option{server.WithCodecs(codec.ProtoReusing())}, func(ch *client.Channel) {
				var crowd sync.WaitGroup
				for caller := range 16 {
					crowd.Go(func() {
						for i := range 200 {
							id := fmt.Sprint(caller, "/", i)
							ctx, cancel := context.WithCancel(t.Context())
							if i%3 == 0 {
								go cancel()
							}
							res, err := client.Unary(ctx, ch, unary, wrapperspb.String(id),
								client.WithMetadata(cqrpc.Pairs("id", id)))
							if err == nil && res.Value != id || err != nil && i%3 != 0 {
								t.Errorf("call %s: %v, %v", id, res, err)
							}
							cancel()
						}
					})
				}
				crowd.Wait()
			})
		})
	}
}
