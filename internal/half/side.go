package half

import "github.com/cqrpc/cqrpc/call"

// Side is in what clients and servers differ when they send. Operations are
// passed by value: a slice given to an interface would go to the heap.
type Side interface {
	// Head returns what must come before a message, or before an end that comes
	// alone: a server's initial metadata, if it is not out. Revert takes it back:
	// the batch was rejected.
	Head(isAlone bool) (op call.Op, isDue bool)
	Revert()
	// End returns what ends this half: SEND_CLOSE or SEND_STATUS.
	End() call.Op
	// Ended tells the result of that, once: on the poller, or if it could not be
	// started on the goroutine that called Sender.Close.
	Ended(err error)
}

// senderState is how far this side's messages have come.
//
//	open ──Close──► ending ──nothing to send before──► ended
type senderState uint8

const (
	senderOpen   senderState = iota
	senderEnding             // Close was called
	senderEnded              // the end was handed to the call
)

var senderStateNames = [...]string{"open", "ending", "ended"}

func (s senderState) String() string { return senderStateNames[s] }

// to is the only place that changes a state.
func (s *senderState) to(next senderState) {
	if next != *s+1 {
		panic("BUG: half: sender " + s.String() + " -> " + next.String())
	}
	*s = next
}

// turns counts the messages of a sender, of which one at a time is under way:
// issued, given to the call, and completed.
//
//	completed == given == issued      idle
//	completed == given  < issued      being started, on some goroutine
//	completed  < given == issued      outstanding
type turns struct{ issued, given, completed uint64 }

func (t *turns) isIdle() bool    { return t.completed == t.issued }
func (t *turns) isStarted() bool { return t.issued == t.completed || t.issued == t.given }
