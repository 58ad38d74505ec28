package server

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// exit is a source that ends the goroutine of the worker that serves it, as an inline reaction may.
type exit struct {
	called chan struct{} // nil: at once; else when it is recalled
}

func (e *exit) Serve(cq.Host, *atomic.Bool) bool {
	if e.called != nil {
		<-e.called
	}
	runtime.Goexit()
	return true
}

func (e *exit) Tend() {}

func (e *exit) Nudge() {
	if e.called != nil {
		close(e.called)
	}
}

// A source whose Serve ends its goroutine leaves the others to run calls, and to serve.
func TestAServiceEndsItsWorker(t *testing.T) {
	for name, e := range map[string]func() *exit{
		"at once":  func() *exit { return new(exit) },
		"recalled": func() *exit { return &exit{called: make(chan struct{})} },
	} {
		t.Run(name, func(t *testing.T) {
			withCrew(t, func(c *crew) {
				c.run(func() {})
				c.w.Offer(e())
				synctest.Wait()
				ran := 0
				for range 3 {
					c.run(func() { ran++ })
				}
				if ran != 3 {
					c.Errorf("%d of 3 calls are run", ran)
				}
				c.offer()
				c.want("another source", 1, 0, 0)
			})
		})
	}
}
