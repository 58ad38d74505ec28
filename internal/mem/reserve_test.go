package mem

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// emptyReserve forgets what other tests have left, and has no collection look at the reserve until trimReserve is
// called: on a busy machine what was used a moment ago may have been so a second ago.
func emptyReserve(t *testing.T) {
	dropReserve()
	for reserve.isWatched.Load() {
		runtime.GC()
		runtime.Gosched()
	}
	reserve.isWatched.Store(true)
	t.Cleanup(func() {
		dropReserve()
		reserve.isWatched.Store(false)
	})
}

// backing is where the memory of a buffer lies.
func backing(b *Buffer) *byte { return &b.back[0] }

// Collections do not take large buffers, while they are used.
func TestReserveOutlivesCollections(t *testing.T) {
	if classes[reserveAt] != 64<<10+slack {
		t.Fatalf("the reserve begins with buffers of %d octets", classes[reserveAt])
	}
	emptyReserve(t)
	for _, n := range []int{64 << 10, 1 << 20, maxPooled} {
		b := Get(n)
		at := backing(b)
		b.Free()
		reserve.used.Store(time.Now().Add(time.Hour).UnixNano()) // for as long as it takes
		trimReserve(time.Now())                                  // from now on collections do
		for range 3 {
			runtime.GC()
		}
		if b = Get(n); backing(b) != at {
			t.Errorf("another buffer of %d octets", n)
		}
		b.Free()
	}
}

// A buffer has one owner.
func TestReserveGivesEachBufferOnce(t *testing.T) {
	emptyReserve(t)
	a, b := Get(1<<20), Get(1<<20)
	first, second := backing(a), backing(b)
	a.Free()
	b.Free()
	a, b = Get(1<<20), Get(1<<20)
	defer a.Free()
	defer b.Free()
	if got := [...]*byte{backing(a), backing(b)}; got != [...]*byte{first, second} {
		t.Errorf("buffers %p; want %p and %p", got, first, second)
	}
}

func TestReserveIsBounded(t *testing.T) {
	emptyReserve(t)
	var all []*Buffer
	for range 2*maxReserve>>20 + 1 {
		all = append(all, Get(1<<20))
	}
	for _, b := range all {
		b.Free()
	}
	size := reserve.size.Load()
	if size > maxReserve || size < maxReserve-2<<20 {
		t.Errorf("%d octets are kept; the limit is %d", size, maxReserve)
	}
	held := 0
	for range all {
		if b := takeReserved(len(classes) - 3); b != nil {
			held += cap(b.back)
		}
	}
	if int64(held) != size || reserve.size.Load() != 0 {
		t.Errorf("%d octets were kept, %d counted, and %d are left", held, size, reserve.size.Load())
	}
}

// Of small buffers there are not more than slots.
func TestReserveOfManyBuffers(t *testing.T) {
	emptyReserve(t)
	var all []*Buffer
	for range 2 * reserveSlots {
		all = append(all, Get(64<<10))
	}
	for _, b := range all {
		b.Free()
	}
	if want := int64(reserveSlots * classes[reserveAt]); reserve.size.Load() != want {
		t.Errorf("%d octets are kept; want %d", reserve.size.Load(), want)
	}
}

// Several goroutines get a buffer each, and nothing is lost.
func TestReserveStress(t *testing.T) {
	emptyReserve(t)
	var at sync.WaitGroup
	for range 4 {
		at.Go(func() {
			for i := range 20_000 {
				b := Get(64 << 10 << (i % 3))
				b.Bytes()[0]++ // a race, if it is somebody else's too
				b.Free()
				if i%1000 == 0 {
					trimReserve(time.Now().Add(reserveLife))
				}
			}
		})
	}
	at.Wait()
	dropReserve()
	if !isEmptied() {
		t.Errorf("%d octets are counted, and there are none", reserve.size.Load())
	}
}

// isEmptied collects until the reserve is empty: the runtime's goroutine comes when it comes.
func isEmptied() bool {
	for range 1000 {
		if reserve.size.Load() == 0 {
			return true
		}
		runtime.GC()
		runtime.Gosched()
	}
	return false
}

// isWatchedAgain waits while a trim of the runtime's goroutine is under way.
func isWatchedAgain() bool {
	for range 1000 {
		if reserve.isWatched.Load() {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// What nobody uses is given up by a collection, and what is used is not.
func TestReserveIsGivenUp(t *testing.T) {
	emptyReserve(t)
	Get(1 << 20).Free()
	used := time.Now().Add(time.Hour) // a collection may come at any time from now on, and late
	reserve.used.Store(used.UnixNano())
	trimReserve(used.Add(reserveLife - 1))
	if !isWatchedAgain() || reserve.size.Load() == 0 {
		t.Fatalf("%d octets are kept, watched: %v", reserve.size.Load(), reserve.isWatched.Load())
	}
	reserve.used.Store(time.Now().Add(-reserveLife).UnixNano())
	if !isEmptied() {
		t.Errorf("%d octets are still kept", reserve.size.Load())
	}
}
