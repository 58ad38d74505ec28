package resolver

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Manual is a resolver that the application tells what to report: for lists that do not
// change, for tests, and for programs that learn of addresses in their own way. The zero
// Manual has nothing to report yet, so calls wait. It must not be copied.
type Manual struct {
	mu sync.Mutex
	// guarded by mu
	addresses []Address
	err       error // reported after addresses
	isKnown   bool  // addresses have been reported, perhaps an empty list
	version   uint64
	listeners map[*listener]struct{}
}

// listener is one call of Manual.Watch.
type listener struct {
	watch *Watch // immutable

	// guarded by Manual.mu
	told   uint64 // the version that was reported last
	isBusy bool   // a goroutine is telling it, and goes on until it has the latest
}

// Report is [Watch.Report] for all channels that use m, now and later, whatever their
// target. When it returns they have changed to what was reported, unless another Report is
// under way, which then tells them. Of several reports they may see only the last. Any number
// of goroutines may call it.
func (m *Manual) Report(addresses []Address, err error) {
	m.mu.Lock()
	m.version++
	if m.err = err; err == nil {
		m.addresses, m.isKnown = slices.Clone(addresses), true
	}
	listeners := slices.Collect(maps.Keys(m.listeners))
	m.mu.Unlock()
	for _, l := range listeners {
		m.tell(l)
	}
}

// Watch reports until ctx ends.
func (m *Manual) Watch(ctx context.Context, w *Watch) error {
	l := &listener{watch: w}
	m.mu.Lock()
	if m.listeners == nil {
		m.listeners = make(map[*listener]struct{})
	}
	m.listeners[l] = struct{}{}
	m.mu.Unlock()
	m.tell(l)
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.listeners, l)
	return ctx.Err()
}

// tell reports what is new to l, unless somebody does so already. Reports that are made one
// after the other arrive in that order, and no lock is held meanwhile.
func (m *Manual) tell(l *listener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.isBusy {
		return
	}
	l.isBusy = true
	for l.told != m.version {
		l.told = m.version
		addresses, isKnown, err := m.addresses, m.isKnown, m.err
		m.mu.Unlock()
		if isKnown { // before the error: a watch that has just begun needs the addresses, too
			l.watch.Report(addresses, nil)
		}
		if err != nil {
			l.watch.Report(nil, err)
		}
		m.mu.Lock()
	}
	l.isBusy = false
}
