//go:build !race

// The race detector makes sync.Pool drop what it is given at random.

package cq_test

import (
	"testing"

	"github.com/cqrpc/cqrpc/cq"
)

func TestTheHotPathDoesNotAllocate(t *testing.T) {
	next, w := cq.New(), new(cq.Waiter)
	var lane cq.Lane
	var dst [4]cq.Event
	for name, cycle := range map[string]func(){
		"Begin, Complete, Next": func() {
			next.Begin()
			next.Complete(cq.Completion{Tag: tag, OK: true})
			next.Next(t.Context())
		},
		"Lane, NextN": func() {
			for range dst {
				next.Begin()
				lane.Add(next, cq.Completion{Tag: tag, OK: true, Finalizer: accept{}})
			}
			lane.Flush()
			next.NextN(t.Context(), dst[:])
		},
		"Waiter": func() {
			w.Begin()
			w.Complete(cq.Completion{Tag: tag, OK: true})
			w.Wait(t.Context())
		},
	} {
		cycle()
		if n := testing.AllocsPerRun(100, cycle); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
