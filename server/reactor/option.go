package reactor

import "github.com/cqrpc/cqrpc/cq"

// maxWorkers bounds the goroutines of a method's own executor. They exist
// while reactions run; only handlers and reactions that block come near it.
const maxWorkers = 1024

// Option configures the handler of a method.
type Option interface{ apply(*config) }

type config struct {
	executor  cq.Executor
	isReusing bool
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithExecutor runs the method's handler and reactions on e, which may serve any
// number of methods and queues. It must not run a task on the stack of Execute; only
// [Inline] may. Default: a [cq.Pool] of the method's own with up to 1024 workers, so
// that reactions may block.
func WithExecutor(e cq.Executor) Option { return optionFunc(func(c *config) { c.executor = e }) }

// Inline runs the handler and reactions on the goroutine of the engine that finds out
// that an operation has ended: mostly the reader of the connection. No hand-over is
// cheaper, but a reaction that blocks stops its connection, as does a filter of the
// server, which runs before the handler. Messages are unmarshalled there, too, so it
// is for small ones: messages of a megabyte are better off elsewhere
// (docs/performance.md). A reaction still never runs inside a StartX, a Finish or a
// TryCancel. It may run inside what ends many calls, such as Server.CancelAllCalls and
// Close: hold no lock there that a reaction wants. A reaction that ends its goroutine
// (runtime.Goexit, testing's FailNow) takes the reader of the connection with it.
func Inline() Option { return WithExecutor(cq.Inline()) }

// Reusing lets the calls of a unary method use the memory of earlier ones: a call whose
// handler finishes its [DefaultReactor] before it returns gives its context, request and
// response to another call once it is over. Once a handler has finished the call it must
// not use any of these, nor what is in the request, nor a context derived from the call's;
// copy what has to stay. (C++ destroys all of this when a call is over; its message
// allocators serve the same purpose.) It has no effect on calls whose reactor is the
// application's or is finished later, nor on a server with filters, which may keep a
// context.
//
// The codec receives into the request of an earlier call: with codec.ProtoReusing nothing
// is allocated for it. Default: each call has its own memory.
func Reusing() Option { return optionFunc(func(c *config) { c.isReusing = true }) }

func newConfig(opts []Option) *config {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.executor == nil {
		c.executor = cq.NewPool(maxWorkers)
	}
	return &c
}
