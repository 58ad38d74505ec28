package mem

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// tracker, when set by a test, sees every buffer made and freed.
var tracker atomic.Pointer[Tracker]

// Tracker records live buffers with the place that made them. Tests only.
// Its methods may be called concurrently.
type Tracker struct {
	mu   sync.Mutex
	live map[*Buffer]string // size when made, and by whom; guarded by mu
}

// Track starts recording and returns the recorder; stop it with Stop. While it
// records, freed pooled memory is overwritten, so that whoever still reads it
// gets nonsense, and a report of the race detector.
// One Tracker is active per process, so tests that use it must not be parallel.
func Track() *Tracker {
	t := &Tracker{live: make(map[*Buffer]string)}
	tracker.Store(t)
	return t
}

// Stop ends recording.
func (t *Tracker) Stop() { tracker.CompareAndSwap(t, nil) }

// Leaks lists the buffers still live, one line each, sorted: the length when
// made and the place that made it.
func (t *Tracker) Leaks() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.live))
	for _, made := range t.live {
		out = append(out, made)
	}
	slices.Sort(out)
	return out
}

func (t *Tracker) add(b *Buffer) {
	var pcs [6]uintptr
	n := runtime.Callers(3, pcs[:])
	var where []string
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		f, more := frames.Next()
		where = append(where, fmt.Sprintf("%s:%d", f.Function[strings.LastIndexByte(f.Function, '/')+1:], f.Line))
		if !more {
			break
		}
	}
	// The owner may change the length while Leaks runs, so it is noted now.
	made := fmt.Sprintf("%d bytes from %s", len(b.data), strings.Join(where, " < "))
	t.mu.Lock()
	t.live[b] = made
	t.mu.Unlock()
}

// poison is a length prefix, a UTF-8 text and a protobuf tag to nobody.
const poison = 0xdb

func (t *Tracker) remove(b *Buffer) {
	t.mu.Lock()
	delete(t.live, b)
	t.mu.Unlock()
	for i := range b.back {
		b.back[i] = poison
	}
}
