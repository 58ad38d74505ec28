package client

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// report is what HeaderTo, TrailerTo and PeerTo among a call's options ask for; nil: not.
type report struct {
	headerTo, trailerTo *cqrpc.Metadata
	peerTo              *call.Peer
}

// isEmpty reports whether nothing was asked for.
func (r *report) isEmpty() bool { return *r == report{} }

// tell fills in the report of a call that has ended.
func (r *report) tell(c *call.Call, header, trailer cqrpc.Metadata) {
	if r.headerTo != nil {
		*r.headerTo = header
	}
	if r.trailerTo != nil {
		*r.trailerTo = trailer
	}
	if r.peerTo != nil {
		*r.peerTo = c.Peer()
	}
}
