package client

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Prepared is a call that was made for a style of programming and has not been
// started: the seam for the packages below client, and for anybody's own style.
// Applications do not need it.
type Prepared struct {
	Call *call.Call
	// Metadata is what to send: that of the call's options, after the filters.
	Metadata cqrpc.Metadata

	report *report // nil: nothing to tell
	pieces pieces  // the call's memory
}

// Prepare makes a call as NewCall does, in p, which is zero and must not be
// copied. Its batches complete on to. The channel's filters run inside, on the
// caller's goroutine. The call ends when ctx does, or with ctx's deadline. If ctx has
// ended, or a filter refuses, the call that is made has ended. hasOneResponse is true for
// the shapes Unary and ClientStream.
func (ch *Channel) Prepare(
	ctx context.Context, p *Prepared, to cq.Completer, method string, hasOneResponse bool, opts ...CallOption,
) {
	cfg := ch.callConfig(method, opts)
	cfg.Completer, cfg.OneMessage = to, hasOneResponse
	ctx, cfg.headers, _ = cfg.Filter(ctx, cfg.headers) // a refusal is how the call has ended
	if t, ok := ctx.Deadline(); ok {
		cfg.deadline(t)
	}
	p.Metadata = cfg.headers
	p.report = cfg.report.kept()
	p.Call = ch.newCallIn(&p.pieces, cfg.Config)
	p.Call.Watch(ctx)
}

// Tells reports whether Tell has anything to do.
func (p *Prepared) Tells() bool { return p.report != nil }

// Tell does what HeaderTo, TrailerTo and PeerTo among the call's options ask
// for. The style calls it when the call has ended, before it tells the
// application.
func (p *Prepared) Tell(header, trailer cqrpc.Metadata) { p.report.tell(p.Call, header, trailer) }
