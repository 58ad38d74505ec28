package server_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// ends counts what Context.Bind tells.
type ends struct{ normal, cancelled int }

func (*ends) Begin() bool { panic("Begin is not called") }

func (e *ends) Complete(c cq.Completion) {
	if c.OK {
		e.normal++
	} else {
		e.cancelled++
	}
}

// A style is given the call on its way in and has the rest to itself.
func TestStyle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ctx server.Context
		var ended ends
		var got server.Accepted
		x := serveHandlers(t, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			got = a
			ctx.ForStyle().Bind(a.Call, &ended)
		}))
		p := x.dial()
		p.Request(1, bidi.Name, "k", "v")
		p.WantIdle("nobody has answered")
		if info, ok := server.Incoming(&ctx); !ok || info.Method != bidi.Name || ctx.Metadata().Get("k") != "v" {
			t.Errorf("info is %+v", info)
		}
		if err := server.SendHeader(&ctx, cqrpc.Pairs("h", "1")); err != nil {
			t.Error(err)
		}
		p.WantResponse("initial metadata goes out alone", 1, "h", "1")
		if err := ctx.SetHeader(nil); err == nil {
			t.Error("header can be set although it was sent")
		}
		got.Release()
		batch := ctx.ForStyle().BeginResponse([]call.Op{call.SendStatus(cqrpc.Status{}, nil)})
		err := got.Call.StartBatchOn(cq.Discard, batch, nil)
		if err != nil {
			t.Error(err)
		}
		defer got.Done()
		p.WantTrailers("the style's status", 1, 0)
		p.WantRST("the client was not done", 1, http2.ErrCodeNo)
		if ended != (ends{normal: 1}) || ctx.Err() != context.Canceled || ctx.IsCancelled() {
			t.Errorf("ended %+v, err %v, cancelled %v", ended, ctx.Err(), ctx.IsCancelled())
		}
	})
}

// The context of a call that nobody watches is right when it is asked.
func TestContextThatIsAskedLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ctx server.Context
		if ctx.Err() != nil || ctx.Method() != "" || ctx.IsCancelled() || ctx.Call() != nil {
			t.Error("the zero Context belongs to a call")
		}
		early := ctx.Done()
		x := serveHandlers(t, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			ctx.ForStyle().Bind(a.Call, nil)
			a.Release()
			a.Done()
		}))
		p := x.dial()
		p.Request(1, bidi.Name)
		ran := false
		context.AfterFunc(&ctx, func() { ran = true })
		p.WriteRST(1, http2.ErrCodeCancel)
		p.WantIdle("the client is gone")
		<-early
		synctest.Wait()
		if !ran || ctx.Err() != context.Canceled || !ctx.IsCancelled() {
			t.Errorf("ran %v, err %v, cancelled %v", ran, ctx.Err(), ctx.IsCancelled())
		}
		ctx.TryCancel()
	})
}

// So is that of one that nobody has asked to be told of.
func TestContextErrWithoutDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ctx server.Context
		x := serveHandlers(t, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			ctx.ForStyle().Bind(a.Call, nil)
			a.Release()
			a.Done()
		}))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.WantIdle("the call runs")
		if err := ctx.Err(); err != nil {
			t.Errorf("Err is %v while the call runs", err)
		}
		p.WriteRST(1, http2.ErrCodeCancel)
		p.WantIdle("the client is gone")
		if err := ctx.Err(); err != context.Canceled {
			t.Errorf("Err is %v", err)
		}
	})
}

// A released call gives its slot to the next at once; the server's end waits
// until nothing of the application runs for it, too.
func TestShutdownWaitsForDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []server.Accepted
		x := serveHandlers(t, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) {
			got = append(got, a)
		}))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.Request(3, bidi.Name)
		p.WantIdle("nobody has answered")
		got[0].Release()
		if s := x.server.String(); !strings.Contains(s, "handling 1,") {
			t.Errorf("one call is left: %s", s)
		}
		p.Close()
		down := make(chan error, 1)
		go func() { down <- x.server.Shutdown(context.Background()) }()
		for _, step := range []func(){got[1].Release, got[1].Done, got[0].Done} {
			synctest.Wait()
			select {
			case err := <-down:
				t.Fatalf("Shutdown did not wait: %v", err)
			default:
			}
			step()
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// What never is done does not keep Close from returning, and is in its error.
func TestCloseCountsWhatIsNotDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got server.Accepted
		x := serveHandlers(t, server.NewHandler(bidi.Name, call.BidiStream, func(a server.Accepted) { got = a }))
		p := x.dial()
		p.Request(1, bidi.Name)
		p.WantIdle("nobody has answered")
		got.Release()
		if err := x.server.Close(); err == nil || !strings.Contains(err.Error(), "handlers that have not returned: 1") {
			t.Errorf("Close: %v", err)
		}
		got.Done()
	})
}
