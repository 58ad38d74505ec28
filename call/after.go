package call

import (
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

// after is what was decided under mu and has to be done without it.
type after struct {
	stream        Stream
	out           frame.Outgoing
	isHandingOver bool          // see sendSide
	trailers      *cqrpc.Status // server: end the response with this
	trailersOnly  bool          // they are all of it (Trailers-Only)
	reset         bool          // the stream, with code
	code          frame.ErrCode
	consume       int  // credit to return to the stream
	open          bool // ask the opener for a stream
	rest          bool // tell it that the call rests, for pause
	pause         time.Duration
	forget        bool // tell it that the call needs no stream
	unwatch       func() bool
	parent        *Call
	children      []*Call
	ended         *passage // to be told the end
}

// perform does what is left to be done. No lock may be held.
func (a *after) perform(c *Call) {
	if a.stream != nil {
		a.performStream(c)
	}
	if a.isHandingOver {
		c.handedOver()
	}
	switch {
	case a.open:
		c.caller.opener.Open(c)
	case a.rest:
		c.caller.opener.Rest(c)
		c.rest(a.pause)
	case a.forget:
		c.caller.opener.Forget(c)
	}
	if a.unwatch != nil {
		a.unwatch()
	}
	if a.parent != nil {
		a.parent.disown(c)
	}
	for _, child := range a.children {
		child.CancelWithStatus(cqrpc.CodeCanceled, "parent call ended")
	}
	if a.ended != nil {
		a.ended.end(c)
	}
}

func (a *after) performStream(c *Call) {
	if a.out != (frame.Outgoing{}) {
		a.stream.Send(a.out)
	}
	if a.trailers != nil {
		a.stream.Send(frame.Outgoing{Trailers: c.trailersFor(a.stream, a.trailers, nil, a.trailersOnly), End: true})
	}
	if a.reset {
		a.stream.Reset(a.code)
	} else if a.consume > 0 {
		a.stream.Consume(a.consume)
	}
}
