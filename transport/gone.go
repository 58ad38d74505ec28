package transport

import (
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// goneStream is a stream that ended with its connection or by a GOAWAY.
type goneStream struct {
	recv        Receiver
	kind        frame.CloseKind
	code        frame.ErrCode
	sent        frame.Sent
	unsent      bool
	unprocessed bool
}

func (g goneStream) deliver(cause error, lane *cq.Lane) {
	kind := g.kind
	if kind == 0 {
		kind = frame.ConnLost
	}
	g.recv.OnClosed(&frame.CloseError{
		Kind: kind, Code: g.code, Unsent: g.unsent, Unprocessed: g.unprocessed || g.unsent, Err: cause,
	}, g.sent, lane)
}

// deliverAll is deliver for a goroutine without a lane.
func deliverAll(gone []goneStream, cause error) {
	var lane cq.Lane
	for _, g := range gone {
		g.deliver(cause, &lane)
	}
	lane.Flush()
}
