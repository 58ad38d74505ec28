package async

import (
	"fmt"
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// Context is the server's side of one call (C++ ServerContext): metadata, peer,
// deadline, TryCancel and IsCancelled, and a context.Context that ends when the
// call does. The zero value is ready for one Request, as a field of the
// application's call record; it must not be copied. Until the tag of the request
// has come, true, it belongs to no call.
type Context struct {
	server.Context

	mu sync.Mutex

	// guarded by mu
	binding binding
	notices *notice // of AsyncNotifyWhenDone, until there is a call
}

// binding is how a Context or a responder stands to its call.
//
//	unbound ──Request──► requested ──a call has come──► bound
//	   ▲                    │
//	   └── server ended, ───┘
//	     request refused
type binding uint8

const (
	unbound binding = iota
	requested
	bound
)

var bindingNames = [...]string{"unbound", "requested", "bound"}

func (b binding) String() string { return bindingNames[b] }

// to is the only place that changes a binding.
func (b *binding) to(next binding) {
	isBack := *b == requested && next == unbound
	if next != *b+1 && !isBack {
		panic(fmt.Sprintf("BUG: async: %v -> %v", *b, next))
	}
	*b = next
}

// AsyncNotifyWhenDone has tag come out of q, once, when the call is over: true,
// and IsCancelled says how. If the call never comes, because the server ends or
// the request for it is refused, the event is false, with ErrNotBound. It can be
// called before the request and after, and any number of times; before the
// request is cheaper. The error is cq.ErrShutdown, and then no event comes.
//
// The event says that the call is over, not that its other tags have come: it may
// overtake them, even the request's and that of a Read that is still true. So handlers
// of the other tags must first check whether the call was finished. q is not drained
// before the event has come, so a Context with such a notice has to be requested.
func (c *Context) AsyncNotifyWhenDone(q *cq.Queue, tag cq.Tag) error {
	if !q.Begin() {
		return cq.ErrShutdown
	}
	n := &notice{queue: q, tag: tag}
	c.mu.Lock()
	isBound := c.binding == bound
	if !isBound {
		n.next, c.notices = c.notices, n
	}
	c.mu.Unlock()
	if isBound {
		c.AfterFunc(func() { n.post(true) })
	}
	return nil
}

// claim takes the context for a request.
func (c *Context) claim() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.binding != unbound {
		return ErrInUse
	}
	c.binding.to(requested)
	return nil
}

// fail says that the call requested will not come. Another may be requested.
func (c *Context) fail() {
	c.mu.Lock()
	c.binding.to(unbound)
	n := c.notices
	c.notices = nil
	c.mu.Unlock()
	n.postAll(false)
}

// bind says that k is the call requested.
func (c *Context) bind(k *call.Call) {
	c.mu.Lock()
	c.binding.to(bound)
	n := c.notices
	c.notices = nil
	c.mu.Unlock()
	if n == nil { // a nil pointer would make no nil Completer
		c.ForStyle().Bind(k, nil)
		return
	}
	c.ForStyle().Bind(k, n)
}

// notice is one AsyncNotifyWhenDone; as a Completer, it and those behind it.
type notice struct {
	next  *notice
	queue *cq.Queue
	tag   cq.Tag
}

// Begin implements cq.Completer for StyleContext.Bind, which does not call it.
func (n *notice) Begin() bool { return true }

// Complete implements cq.Completer for StyleContext.Bind: the call is over.
func (n *notice) Complete(cq.Completion) { n.postAll(true) }

func (n *notice) postAll(ok bool) {
	for ; n != nil; n = n.next {
		n.post(ok)
	}
}

func (n *notice) post(ok bool) {
	c := cq.Completion{Tag: n.tag, OK: ok}
	if !ok {
		c.Finalizer = noCall{}
	}
	n.queue.Complete(c)
}

// noCall puts the reason into the event of a notice whose call never came.
type noCall struct{}

// Finalize implements cq.Finalizer.
func (noCall) Finalize(ev *cq.Event) bool {
	ev.Err = ErrNotBound
	return true
}
