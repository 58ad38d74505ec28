package server

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Info is what a handler can know about its call.
type Info struct {
	// Call is the call itself, for propagation to client calls on its behalf.
	// Its batches are the server's business.
	Call *call.Call
	// Method is the full name, "/package.Service/Method".
	Method string
	// Authority is the host the client asked for.
	Authority string
	// Metadata of the request, to be read only: see [Context.Metadata].
	Metadata cqrpc.Metadata
	Peer     call.Peer
}

// Incoming returns what the context of a handler, or one derived from it, knows
// about the call. It reports false for any other context.
func Incoming(ctx context.Context) (Info, bool) {
	c, err := contextOf(ctx)
	if err != nil {
		return Info{}, false
	}
	return Info{
		Call: c.call, Method: c.Method(), Authority: c.Authority(), Metadata: c.Metadata(), Peer: c.Peer(),
	}, true
}

// SetHeader is Context.SetHeader for a context derived from one. The error may
// also be ErrNoCall. Any goroutine may call it.
func SetHeader(ctx context.Context, md cqrpc.Metadata) error {
	c, err := contextOf(ctx)
	if err != nil {
		return err
	}
	return c.SetHeader(md)
}

// SendHeader sends the initial metadata, md included, now. In the sync style it
// may not run concurrently with Send, and waits until the headers were framed.
// The errors are those of SetHeader, or a *cqrpc.Error that says why the call
// has ended.
func SendHeader(ctx context.Context, md cqrpc.Metadata) error {
	c, err := contextOf(ctx)
	if err != nil {
		return err
	}
	if err := c.SetHeader(md); err != nil {
		return err
	}
	var ops [1]call.Op
	if c.rpc != nil {
		return c.rpc.sendHeader(c.ForStyle().BeginResponse(ops[:0]))
	}
	return c.call.StartBatchOn(cq.Discard, c.ForStyle().BeginResponse(ops[:0]), nil)
}

// SetTrailer is Context.SetTrailer for a context derived from one. The error
// may also be ErrNoCall. Any goroutine may call it before the status is sent.
func SetTrailer(ctx context.Context, md cqrpc.Metadata) error {
	c, err := contextOf(ctx)
	if err != nil {
		return err
	}
	return c.SetTrailer(md)
}

// SetCompressor is Context.SetCompressor for a context derived from one. The
// error may also be ErrNoCall.
func SetCompressor(ctx context.Context, name string) error {
	c, err := contextOf(ctx)
	if err != nil {
		return err
	}
	return c.SetCompressor(name)
}

func contextOf(ctx context.Context) (*Context, error) {
	c, ok := ctx.Value(contextKey{}).(*Context)
	if !ok || c.call == nil {
		return nil, ErrNoCall
	}
	return c, nil
}
