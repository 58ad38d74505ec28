package client

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Unary calls a method with one request and one response and waits for it. The
// error is a *cqrpc.Error with the call's status; errors.Is finds
// context.Canceled and context.DeadlineExceeded in it. The call ends when ctx does, and
// has no other deadline unless an option sets one. It waits for the channel's first
// connection; while that cannot be made it fails with UNAVAILABLE, see [WithWaitForReady].
// req may be reused when Unary returns.
func Unary[Req, Res any](
	ctx context.Context, ch *Channel, m call.Method[Req, Res], req *Req, opts ...CallOption,
) (*Res, error) {
	res := new(Res)
	if err := Invoke(ctx, ch, m.Name, req, res, opts...); err != nil {
		return nil, err
	}
	return res, nil
}

// Invoke is Unary of a method by its name, "/pkg.Service/Method", for callers that learn
// the types of its messages only when they run: adapters of code that others generate. req
// and res are what the call's codec takes, pointers with protobuf; the contents of res are
// replaced, and after an error they may be anything.
func Invoke(ctx context.Context, ch *Channel, method string, req, res any, opts ...CallOption) error {
	return new(unaryCall).run(ctx, ch, ch.callConfig(method, opts), req, res)
}

// unaryCall is the memory of one Unary call. Others may still refer to it when Unary has returned,
// so it is left to the collector, in one allocation.
type unaryCall struct {
	pieces pieces
	waiter cq.Waiter
}

// run makes the call in a single batch: one event, one wake.
func (u *unaryCall) run(ctx context.Context, ch *Channel, cfg callConfig, req, res any) error {
	ctx, err := cfg.begin(ctx)
	if err != nil {
		return err
	}
	if t, ok := ctx.Deadline(); ok {
		cfg.deadline(t)
	}
	cfg.OneMessage = true
	c := ch.newCallIn(&u.pieces, cfg.Config)
	defer c.Close()
	err = c.StartBatchOn(&u.waiter, []call.Op{
		call.SendInitialMetadata(cfg.headers),
		call.SendValue(req),
		call.SendClose(),
		call.RecvInitialMetadata(cfg.headerTo),
		call.RecvValue(res, nil),
		call.RecvStatus(nil, cfg.trailerTo),
	}, nil)
	if err != nil {
		return rejected(c, err)
	}
	await(ctx, c, &u.waiter)
	if cfg.peerTo != nil {
		*cfg.peerTo = c.Peer()
	}
	return c.Err()
}

// rejected ends a call whose batch was rejected, and returns its error.
func rejected(c *call.Call, err error) error {
	err = call.Misuse(err)
	st := cqrpc.StatusOf(err)
	c.CancelWithStatus(st.Code, st.Message)
	return err
}

// await waits for a batch. When ctx ends the call is cancelled, which completes
// the batch.
func await(ctx context.Context, c *call.Call, w *cq.Waiter) {
	if _, ok := c.Await(ctx, w); !ok {
		c.CancelFor(ctx)
		c.Await(context.Background(), w)
	}
}
