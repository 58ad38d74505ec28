package reactor_test

import (
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server/reactor"
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

// A method's handler and reactions run where its option says.
func TestWithExecutor(t *testing.T) {
	play(t, func(s *stage) {
		e := &counting{Pool: cq.NewPool(1)}
		defer e.Close()
		s.opts = append(s.opts, reactor.WithExecutor(e))
		latest := s.bidi(func(*subject) {})
		s.Request(1, bidi.Name)
		r := latest()
		if n := e.tasks.Load(); n != 1 {
			s.Errorf("the executor ran %d tasks for a handler", n)
		}
		r.Finish(ok)
		s.Until("the end", func(f frame) bool { return f.Value("grpc-status") == "0" })
		s.ended("OnDone comes")
		if n := e.tasks.Load(); n != 2 {
			s.Errorf("the executor ran %d tasks for a handler and a reaction", n)
		}
	})
}
