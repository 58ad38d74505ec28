package call

import "fmt"

// phase is the life of a call as a whole.
//
//	         OK arrived, messages unread          last message taken
//	running ───────────────────────────► draining ──────────────────► over
//	   │                                    │                           ▲
//	   └──────── any other end ─────────────┴── cancel, deadline ───────┘
type phase uint8

const (
	running phase = iota
	draining
	over
)

var phaseNames = [...]string{"running", "draining", "over"}

func (p phase) String() string { return phaseNames[p] }

// to is the only place that changes a phase; phases never go back.
func (p *phase) to(next phase) {
	if next <= *p {
		panic(fmt.Sprintf("BUG: call: %v -> %v", *p, next))
	}
	*p = next
}

// openState is how a client's call comes to its stream.
//
//	noStream ──INIT──► asking ──Bind──► bound
//	   ▲ ▲               ▲ │ ▲            │ the attempt was unprocessed
//	   │ └─ Fail, end ───┼─┤ └────────────┤
//	   │        back-off │ │ Fail         │ it failed, and the policy has another
//	   └─────── end ── resting ◄──────────┘
//
// Fail ends a call that rests.
type openState uint8

const (
	noStream openState = iota // none was asked for, or none will be any more
	asking                    // Open awaits its answer
	bound
	resting // a call that failed waits before it is sent again
)

var openStateNames = [...]string{"none", "asking", "bound", "resting"}

func (s openState) String() string { return openStateNames[s] }

// openSteps is the drawing: where each state may lead.
var openSteps = [...]uint8{
	noStream: 1 << asking, asking: 1<<noStream | 1<<bound | 1<<resting, bound: 1<<asking | 1<<resting,
	resting: 1<<asking | 1<<noStream,
}

func (s *openState) to(next openState) {
	if openSteps[*s]&(1<<next) == 0 {
		panic(fmt.Sprintf("BUG: call: stream %v -> %v", *s, next))
	}
	*s = next
}

// sendState is this side's half of the stream.
//
//	sendIdle ──INIT──► sendOpen ──CLOSE, STATUS──► sendClosed
//	   │ │                 │                         ▲    │
//	   │ └─────────────────┼─ STATUS: Trailers-Only ─┘    │
//	   └───────────────────┴─ the call ended ─► sendDead ◄┘
type sendState uint8

const (
	sendIdle   sendState = iota // initial metadata was not started: sends wait
	sendOpen                    // messages go out
	sendClosed                  // END_STREAM was handed to the stream
	sendDead                    // the call ended: sends fail
)

var sendStateNames = [...]string{"idle", "open", "closed", "dead"}

func (s sendState) String() string { return sendStateNames[s] }

func (s *sendState) to(next sendState) {
	if next <= *s {
		panic(fmt.Sprintf("BUG: call: send %v -> %v", *s, next))
	}
	*s = next
}

// recvState is the peer's half.
//
//	recvHeaders ──response headers──► recvMessages ──END_STREAM──► recvEnded
//	     │ │                               │                         ▲    │
//	     │ └───────────────────────────────┼─ Trailers-Only ─────────┘    │ messages discarded
//	     └─────────────────────────────────┴─ the call ended ─► recvDead ◄┘
//
// A server begins in recvMessages: the request's headers made the call.
type recvState uint8

const (
	recvHeaders recvState = iota
	recvMessages
	recvEnded // the peer ended its messages in order
	recvDead  // no more, and not in order
)

var recvStateNames = [...]string{"headers", "messages", "ended", "dead"}

func (s recvState) String() string { return recvStateNames[s] }

func (s *recvState) to(next recvState) {
	if next <= *s {
		panic(fmt.Sprintf("BUG: call: receive %v -> %v", *s, next))
	}
	*s = next
}

// isOver reports whether nothing more can come.
func (s recvState) isOver() bool { return s >= recvEnded }
