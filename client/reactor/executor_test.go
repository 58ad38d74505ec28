package reactor_test

import (
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/cq"
)

// counting is a pool that counts what it runs.
type counting struct {
	*cq.Pool
	tasks atomic.Int32
}

func (c *counting) Execute(batch []cq.Task) {
	c.tasks.Add(int32(len(batch)))
	c.Pool.Execute(batch)
}

// A stub's reactions run where its option says.
func TestWithExecutor(t *testing.T) {
	play(t, func(s *scene) {
		e := &counting{Pool: cq.NewPool(1)}
		defer e.Close()
		s.stub = reactor.New(s.ch, reactor.WithExecutor(e))
		s.unary(s.Context(), "hello").want(s, "one request, one response", "hello", cqrpc.CodeOK)
		if n := e.tasks.Load(); n != 1 {
			s.Errorf("the executor ran %d tasks for a call with one reaction", n)
		}
	})
}
