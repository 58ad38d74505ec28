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

// kept returns the report for a call to keep: nil, for most, if nothing was asked for.
func (r report) kept() *report {
	if r == (report{}) {
		return nil
	}
	kept := r // r itself would be on the heap of every call
	return &kept
}

// tell fills in the report of a call that has ended; nothing if r is nil.
func (r *report) tell(c *call.Call, header, trailer cqrpc.Metadata) {
	if r == nil {
		return
	}
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
