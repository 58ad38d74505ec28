package transport

import "fmt"

// connState is the life of a connection.
//
//	handshaking --first SETTINGS--> open --GOAWAY sent or received--> draining
//	     |                           |                                   |
//	     +---------------------------+---------- shut -------------------+--> closing
//	                                                                            |
//	                                             the last goroutine leaves it --+--> closed
type connState uint8

const (
	handshaking connState = iota
	open
	draining // no new streams; those in progress continue
	closing  // GOAWAY with the reason on its way, input is dropped, streams are gone
	closed
)

var connStateNames = [...]string{"handshaking", "open", "draining", "closing", "closed"}

func (s connState) String() string { return connStateNames[s] }

// to is the only place that changes a connection's state; states never go back.
func (s *connState) to(next connState) {
	if next < *s {
		panic(fmt.Sprintf("BUG: transport: connection %v -> %v", *s, next))
	}
	*s = next
}

// streamState is RFC 9113 section 5.1 without the reserved states, which need
// server push.
//
//	                   idle
//	                    | sendHeaders / recvHeaders
//	                    v
//	      sendEnd      open      recvEnd
//	     +--------------+--------------+
//	     v              |              v
//	halfClosedLocal     |     halfClosedRemote
//	     | recvEnd      | reset        | sendEnd
//	     +------------> v <------------+
//	                  closed
type streamState uint8

const (
	idle streamState = iota
	opened
	halfClosedLocal
	halfClosedRemote
	ended // "closed" in the RFC
	numStreamStates
)

var streamStateNames = [...]string{"idle", "open", "half-closed (local)", "half-closed (remote)", "closed"}

func (s streamState) String() string { return streamStateNames[s] }

// streamEvent is what can happen to a stream's state.
type streamEvent uint8

const (
	sendHeaders streamEvent = iota
	sendEnd
	recvHeaders
	recvEnd
	reset // RST_STREAM sent or received, or the connection is gone
	numStreamEvents
)

var streamEventNames = [...]string{"sendHeaders", "sendEnd", "recvHeaders", "recvEnd", "reset"}

func (e streamEvent) String() string { return streamEventNames[e] }

// illegal marks an event that the state forbids.
const illegal = numStreamStates

// streamTable is the drawing above as data: [state][event] -> next state.
var streamTable = [numStreamStates][numStreamEvents]streamState{
	//                  sendHeaders       sendEnd          recvHeaders       recvEnd           reset
	idle:             {opened, illegal, opened, illegal, ended},
	opened:           {opened, halfClosedLocal, opened, halfClosedRemote, ended},
	halfClosedLocal:  {illegal, illegal, halfClosedLocal, ended, ended},
	halfClosedRemote: {halfClosedRemote, ended, illegal, illegal, ended},
	ended:            {illegal, illegal, illegal, illegal, ended},
}

// on applies an event. It reports false, changing nothing, if the state forbids
// it; whether that is the peer's fault or ours is for the caller to know.
func (s *streamState) on(e streamEvent) bool {
	next := streamTable[*s][e]
	if next == illegal {
		return false
	}
	*s = next
	return true
}

// must applies an event of our own making.
func (s *streamState) must(e streamEvent) {
	if !s.on(e) {
		panic(fmt.Sprintf("BUG: transport: %v in stream state %v", e, *s))
	}
}

// canRecv reports whether the peer may still send DATA or HEADERS.
func (s streamState) canRecv() bool { return s == opened || s == halfClosedLocal }

// canSend reports whether we may still send DATA or HEADERS.
func (s streamState) canSend() bool { return s == opened || s == halfClosedRemote }

// flusherState says whether anybody writes, or is about to.
//
//	        kick, the reader is at work      its batch ends
//	resting ──────────────────────────► due ────────────────► running
//	   │ ▲                                                     ▲   │
//	   │ └───────────────── nothing is left ───────────────────┼───┘
//	   └─────────────────────── kick ──────────────────────────┘
//
// Whoever moves it to running is the flusher, on its own goroutine or, for a
// few turns, on the reader's, and is the only user of Conn.w.
type flusherState uint8

const (
	flusherResting flusherState = iota
	flusherDue
	flusherRunning
)

var flusherStateNames = [...]string{"resting", "due", "running"}

func (s flusherState) String() string { return flusherStateNames[s] }

// to is the only place that changes a flusherState.
func (s *flusherState) to(next flusherState) {
	if *s == next || *s == flusherRunning && next == flusherDue {
		panic(fmt.Sprintf("BUG: transport: flusher %v -> %v", *s, next))
	}
	*s = next
}
