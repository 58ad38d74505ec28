package reaction

import "fmt"

// state is who may run reactions of a mailbox.
//
//	         Take: nothing was queued            nothing is due: Yield, Run
//	closed ───────────────────────────► running ───────────────────────────► idle
//	                                     │   ▲                                 │
//	    no operation and no hold is left │   └────────── something is due ─────┘
//	                                     ▼
//	                                 finished ◄── idle: nobody wants to know
//
// Closed: operations are queued, what ends is noted. Running: by one goroutine,
// or by a task on its way.
type state uint8

const (
	closed state = iota
	idle
	running
	finished
)

var stateNames = [...]string{"closed", "idle", "running", "finished"}

func (s state) String() string { return stateNames[s] }

// steps are the legal changes of state, [from][to].
var steps = [...][finished + 1]bool{
	closed:   {running: true},
	idle:     {running: true, finished: true},
	running:  {idle: true, finished: true},
	finished: {},
}

// to is the only place that changes a state.
func (s *state) to(next state) {
	if !steps[*s][next] {
		panic(fmt.Sprintf("BUG: reaction: %v -> %v", *s, next))
	}
	*s = next
}

// exhaustion is whether the reactor is exhausted, and has been told.
//
//	              nobody can start anything                 Exhausted is called
//	notExhausted ───────────────────────────► exhaustionDue ───────────────────► exhausted
type exhaustion uint8

const (
	notExhausted exhaustion = iota
	exhaustionDue
	exhausted
)

var exhaustionNames = [...]string{"not exhausted", "due", "exhausted"}

func (e exhaustion) String() string { return exhaustionNames[e] }

// to is the only place that changes it.
func (e *exhaustion) to(next exhaustion) {
	if next != *e+1 {
		panic(fmt.Sprintf("BUG: reaction: %v -> %v", *e, next))
	}
	*e = next
}
