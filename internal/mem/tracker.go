package mem

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// tracker, when set by a test, sees every buffer made and freed.
var tracker atomic.Pointer[Tracker]

// Tracker records live buffers with the place that made them. Tests only.
type Tracker struct {
	mu   sync.Mutex
	live map[*Buffer]string
}

// Track starts recording and returns the recorder; stop it with Stop.
// One Tracker is active per process, so tests that use it must not be parallel.
func Track() *Tracker {
	t := &Tracker{live: make(map[*Buffer]string)}
	tracker.Store(t)
	return t
}

// Stop ends recording.
func (t *Tracker) Stop() { tracker.CompareAndSwap(t, nil) }

// Leaks lists the places that made buffers still live, one line each.
func (t *Tracker) Leaks() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.live))
	for b, where := range t.live {
		out = append(out, fmt.Sprintf("%d bytes from %s", len(b.data), where))
	}
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
	t.mu.Lock()
	t.live[b] = strings.Join(where, " < ")
	t.mu.Unlock()
}

func (t *Tracker) remove(b *Buffer) {
	t.mu.Lock()
	delete(t.live, b)
	t.mu.Unlock()
}
