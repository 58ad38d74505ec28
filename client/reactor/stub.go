package reactor

import (
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// maxWorkers bounds the goroutines of a stub's own executor. They exist while
// reactions run; only reactions that block come near the bound.
const maxWorkers = 1024

// Stub is a channel together with the executor of its reactors' reactions. It
// holds nothing while no reaction runs and needs no closing. Any number of
// goroutines may use it.
type Stub struct {
	channel *client.Channel
	loop    *reaction.Loop
}

// Option configures a Stub.
type Option interface{ apply(*config) }

type config struct{ executor cq.Executor }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithExecutor runs reactions on e, which may serve any number of stubs and queues. It
// must not run a task on the stack of Execute; only [Inline] may. Default: a [cq.Pool]
// of the stub's own with up to 1024 workers, so that reactions may block.
func WithExecutor(e cq.Executor) Option { return optionFunc(func(c *config) { c.executor = e }) }

// Inline runs reactions on the goroutine of the engine that finds out that an operation
// has ended: mostly the reader of the connection. No hand-over is cheaper, but a
// reaction that blocks stops its connection. Messages are unmarshalled there, too, so
// it is for small ones: messages of a megabyte are better off elsewhere
// (docs/performance.md). A reaction still never runs inside a StartX or TryCancel. It
// may run inside what ends many calls, such as Close of the channel: hold no lock there
// that a reaction wants. A reaction that ends its goroutine (runtime.Goexit, testing's
// FailNow) takes the reader of the connection with it.
func Inline() Option { return WithExecutor(cq.Inline()) }

// New returns a stub for the methods of ch.
func New(ch *client.Channel, opts ...Option) *Stub {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.executor == nil {
		c.executor = cq.NewPool(maxWorkers)
	}
	return &Stub{channel: ch, loop: reaction.NewLoop(c.executor)}
}
