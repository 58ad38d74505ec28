package client

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Unary calls a method with one request and one response and waits for it. The
// error is a *cqrpc.Error with the call's status; errors.Is finds
// context.Canceled and context.DeadlineExceeded in it. req may be reused when
// Unary returns.
func Unary[Req, Res any](
	ctx context.Context, ch *Channel, m call.Method[Req, Res], req *Req, opts ...CallOption,
) (*Res, error) {
	u := unaryCall{cfg: ch.callConfig(m.Name, opts)}
	res := new(Res)
	if err := u.run(ctx, ch, req, res); err != nil {
		return nil, err
	}
	return res, nil
}

// unaryCall is the state of one Unary.
type unaryCall struct {
	cfg     callConfig
	call    *call.Call
	pieces  pieces
	waiter  cq.Waiter
	got     bool
	status  cqrpc.Status
	header  cqrpc.Metadata
	trailer cqrpc.Metadata
}

// run makes the call in a single batch: one event, one wake.
func (u *unaryCall) run(ctx context.Context, ch *Channel, req, res any) error {
	ctx, err := u.cfg.begin(ctx)
	if err != nil {
		return err
	}
	if t, ok := ctx.Deadline(); ok {
		u.cfg.deadline(t)
	}
	u.cfg.OneMessage = true
	u.call = ch.newCallIn(&u.pieces, u.cfg.Config)
	defer u.call.Close()
	err = u.call.StartBatchOn(&u.waiter, []call.Op{
		call.SendInitialMetadata(u.cfg.headers),
		call.SendValue(req),
		call.SendClose(),
		call.RecvInitialMetadata(&u.header),
		call.RecvValue(res, &u.got),
		call.RecvStatus(&u.status, &u.trailer),
	}, nil)
	if err != nil {
		return rejected(u.call, err)
	}
	await(ctx, u.call, &u.waiter)
	u.tell()
	return u.call.Err()
}

// rejected ends a call whose batch was rejected, and returns its error.
func rejected(c *call.Call, err error) error {
	err = call.Misuse(err)
	st := cqrpc.StatusOf(err)
	c.CancelWithStatus(st.Code, st.Message)
	return err
}

// tell fills the out-parameters of the call's options.
func (u *unaryCall) tell() {
	if u.cfg.headerTo != nil {
		*u.cfg.headerTo = u.header
	}
	if u.cfg.trailerTo != nil {
		*u.cfg.trailerTo = u.trailer
	}
	if u.cfg.peerTo != nil {
		*u.cfg.peerTo = u.call.Peer()
	}
}

// await waits for a batch. When ctx ends the call is cancelled, which completes
// the batch.
func await(ctx context.Context, c *call.Call, w *cq.Waiter) cq.Event {
	ev, ok := c.Await(ctx, w)
	if !ok {
		c.CancelFor(ctx)
		ev, _ = c.Await(context.Background(), w)
	}
	return ev
}
