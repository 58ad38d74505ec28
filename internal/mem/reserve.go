package mem

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// reserveAt is the first class that the reserve keeps: 64 KiB.
	reserveAt = 7
	// maxReserve is how many octets it keeps: what one stream's window may hold.
	maxReserve = 16 << 20
	// reserveSlots is how many buffers of a class it keeps.
	reserveSlots = 32
	// reserveLife is how long it keeps what nobody uses, and until the next collection.
	reserveLife = time.Second
)

// reserve keeps free buffers from the collector, while they are used. A program with
// little memory of its own that receives large messages collects every few of them, which
// empties a sync.Pool each second time: its buffers were made, and their pages faulted
// in, over and over (docs/decisions/005). Without locks: buffers are freed under others'.
var reserve struct {
	slots     [len(classes) - reserveAt][reserveSlots]atomic.Pointer[Buffer] // the first are used most
	size      atomic.Int64                                                   // octets of all, or about to be
	used      atomic.Int64                                                   // when, in Unix nanoseconds
	isWatched atomic.Bool                                                    // the next collection calls trimReserve
}

// takeReserved returns a free buffer of a class, nil if there is none.
func takeReserved(class int) *Buffer {
	slots := &reserve.slots[class-reserveAt]
	for i := range slots {
		if slots[i].Load() == nil {
			continue
		}
		if b := slots[i].Swap(nil); b != nil {
			reserve.size.Add(-int64(classes[class]))
			reserve.used.Store(time.Now().UnixNano())
			return b
		}
	}
	return nil
}

// keepReserved keeps a free buffer, and reports whether there was room.
func keepReserved(b *Buffer) bool {
	size := int64(classes[b.class])
	if reserve.size.Add(size) > maxReserve {
		reserve.size.Add(-size)
		return false
	}
	slots := &reserve.slots[b.class-reserveAt]
	for i := range slots {
		if slots[i].Load() == nil && slots[i].CompareAndSwap(nil, b) {
			reserve.used.Store(time.Now().UnixNano())
			watchReserve()
			return true
		}
	}
	reserve.size.Add(-size)
	return false
}

// watchReserve has the next collection call trimReserve.
func watchReserve() {
	if !reserve.isWatched.Load() && !reserve.isWatched.Swap(true) {
		runtime.AddCleanup(&struct{ _ *byte }{}, func(struct{}) { trimReserve(time.Now()) }, struct{}{})
	}
}

// trimReserve drops all if nothing was used for a while. A goroutine of the runtime's
// runs it, after a collection.
func trimReserve(now time.Time) {
	if now.UnixNano()-reserve.used.Load() >= int64(reserveLife) {
		dropReserve()
	}
	reserve.isWatched.Store(false)
	if reserve.size.Load() > 0 {
		watchReserve()
	}
}

func dropReserve() {
	for class := range reserve.slots {
		for i := range reserve.slots[class] {
			if reserve.slots[class][i].Swap(nil) != nil {
				reserve.size.Add(-int64(classes[class+reserveAt]))
			}
		}
	}
}
