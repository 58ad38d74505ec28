package parity

import "sync"

// unfinished is the streams of a caller whose end nobody has seen yet. Where the
// style wants every call to be finished, its Close does what the test has not.
type unfinished struct {
	starting sync.WaitGroup // calls that are not in streams yet, or have no stream

	mu sync.Mutex
	// guarded by mu
	streams map[finisher]struct{}
}

type finisher interface{ finish() error }

func (u *unfinished) add(s finisher) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.streams == nil {
		u.streams = make(map[finisher]struct{})
	}
	u.streams[s] = struct{}{}
}

func (u *unfinished) remove(s finisher) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.streams, s)
}

// finish finishes what is left, which has ended or is about to.
func (u *unfinished) finish() {
	u.starting.Wait()
	u.mu.Lock()
	left := make([]finisher, 0, len(u.streams))
	for s := range u.streams {
		left = append(left, s)
	}
	u.mu.Unlock()
	for _, s := range left {
		_ = s.finish()
	}
}
