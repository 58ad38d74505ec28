package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// callContext is the context of a handler. It is part of its rpc and makes a
// channel only for who asks: most handlers pass it on or never look at it. It
// has no timer: the call's deadline ends the call, and so the context.
type callContext struct {
	// immutable
	rpc *rpc

	mu sync.Mutex
	// guarded by mu
	done  chan struct{} // made by the first Done
	err   error
	funcs []*func() // of AfterFunc
}

var _ context.Context = (*callContext)(nil)

// rpcKey is the key under which a context tells its rpc.
type rpcKey struct{}

// Deadline implements context.Context.
func (c *callContext) Deadline() (time.Time, bool) { return c.rpc.call.Deadline() }

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if key == (rpcKey{}) {
		return c.rpc
	}
	return nil
}

// Err implements context.Context.
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done implements context.Context.
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// AfterFunc lets package context derive contexts without a goroutine that
// waits for Done. f runs on a goroutine of its own when the context ends.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	entry := &f
	c.funcs = append(c.funcs, entry)
	return func() bool { return c.stop(entry) }
}

func (c *callContext) stop(entry *func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.funcs, entry)
	if i < 0 {
		return false
	}
	c.funcs = slices.Delete(c.funcs, i, i+1)
	return true
}

// end ends the context; only the first call acts.
func (c *callContext) end() {
	err := context.Canceled
	if d, ok := c.Deadline(); ok && !time.Now().Before(d) {
		err = context.DeadlineExceeded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for _, f := range c.funcs {
		go (*f)()
	}
	c.funcs = nil
}

// String names the call and shows nothing of its metadata.
func (c *callContext) String() string { return "server.Context(" + c.rpc.call.Method() + ")" }

// Info is what a handler can know about its call.
type Info struct {
	// Call is the call itself, for propagation to client calls on its behalf.
	// Its batches are the server's business.
	Call *call.Call
	// Method is the full name, "/package.Service/Method".
	Method string
	// Authority is the host the client asked for.
	Authority string
	// Metadata of the request, to be read only.
	Metadata cqrpc.Metadata
	Peer     call.Peer
}

// Incoming returns what the context of a handler, or one derived from it, knows
// about the call. It reports false for any other context.
func Incoming(ctx context.Context) (Info, bool) {
	r, ok := ctx.Value(rpcKey{}).(*rpc)
	if !ok {
		return Info{}, false
	}
	k := r.call
	return Info{
		Call: k, Method: k.Method(), Authority: k.Authority(), Metadata: k.RequestMetadata(), Peer: k.Peer(),
	}, true
}

// SetHeader adds md to the initial metadata, which goes out with the first
// response or by SendHeader. The error is ErrHeaderSent if it has, ErrNoCall, or
// says which entry is illegal. Any goroutine may call it.
func SetHeader(ctx context.Context, md cqrpc.Metadata) error {
	r, err := rpcOf(ctx, md)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return ErrHeaderSent
	}
	r.header = append(r.header, md...)
	return nil
}

// SendHeader sends the initial metadata, md included, now. It may not run
// concurrently with Send. The errors are those of SetHeader, or a *cqrpc.Error
// that says why the call has ended.
func SendHeader(ctx context.Context, md cqrpc.Metadata) error {
	if err := SetHeader(ctx, md); err != nil {
		return err
	}
	r := ctx.Value(rpcKey{}).(*rpc)
	var ops [1]call.Op
	if err := r.call.StartBatchOn(&r.out, r.beginResponse(ops[:0]), nil); err != nil {
		return misuse(err)
	}
	r.sending = true
	return r.awaitSent()
}

// SetTrailer adds md to the trailing metadata, which goes out with the status.
// The error is ErrNoCall or says which entry is illegal. Any goroutine may call
// it before the handler returns.
func SetTrailer(ctx context.Context, md cqrpc.Metadata) error {
	r, err := rpcOf(ctx, md)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trailer = append(r.trailer, md...)
	return nil
}

func rpcOf(ctx context.Context, md cqrpc.Metadata) (*rpc, error) {
	r, ok := ctx.Value(rpcKey{}).(*rpc)
	if !ok {
		return nil, ErrNoCall
	}
	return r, md.Validate()
}
