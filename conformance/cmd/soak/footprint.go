package main

import (
	"fmt"
	"runtime"
	"time"
)

// footprint is what the process holds between rounds.
type footprint struct {
	goroutines int
	heap       uint64 // bytes
}

// What a footprint may grow by: pools, and what goroutines that are about to end
// hold, but nothing that grows with the number of calls.
const (
	moreGoroutines = 40
	moreHeap       = 24 << 20
)

// measure waits a moment for goroutines that are about to end.
func measure() footprint {
	var f footprint
	for range 20 {
		runtime.GC()
		if n := runtime.NumGoroutine(); f.goroutines == n {
			break
		}
		f.goroutines = runtime.NumGoroutine()
		time.Sleep(50 * time.Millisecond)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.heap = m.HeapAlloc
	return f
}

func (f footprint) compare(first footprint) error {
	if f.goroutines > first.goroutines+moreGoroutines || f.heap > first.heap+moreHeap {
		return fmt.Errorf("%v, after %v in the beginning\n%s", f, first, stacks())
	}
	return nil
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, heap %.1f MB", f.goroutines, float64(f.heap)/1e6)
}

// stacks is those of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
