package reaction

import "github.com/cqrpc/cqrpc/cq"

// Loop is where the reactions of many reactors run. All methods may be called
// concurrently.
type Loop struct {
	queue    *cq.Queue
	isInline bool
}

// NewLoop returns a loop on exec. It owns no goroutine and needs no closing.
func NewLoop(exec cq.Executor) *Loop {
	return &Loop{queue: cq.NewCallback(exec, nil), isInline: exec == cq.Inline()}
}

// Host returns whose goroutines run the reactions, if these may serve connections
// meanwhile; else nil.
func (l *Loop) Host() cq.Host { return l.queue.Host() }

// Post has the executor run c, or runs it at once if that is Inline. For
// the goroutines of the engine.
func (l *Loop) Post(c cq.Callback) {
	if l.isInline {
		c.Run(cq.Event{Kind: cq.OpComplete, OK: true, Tag: c})
		return
	}
	if err := l.queue.Post(c, true); err != nil {
		panic("BUG: reaction: " + err.Error()) // nobody shuts it down
	}
}

// Hand is Post for the goroutines of the application, whose locks c may want:
// it never runs c on the stack of its caller.
func (l *Loop) Hand(c cq.Callback) {
	if l.isInline {
		go c.Run(cq.Event{})
		return
	}
	l.Post(c)
}
