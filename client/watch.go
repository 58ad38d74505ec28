package client

import (
	"context"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// watchList is the watchers of a channel's state. Each is told once, when the state
// differs from the one that it has seen.
type watchList struct{ watchers []*watcher }

type watcher struct {
	seen State
	fire func(changed bool) // called once, with no lock held
	stop func() bool        // of the deadline, may be nil
}

// watched are watchers taken out of the list, to be told after unlocking.
type watched []*watcher

// takeLocked removes the watchers whose state is over.
func (l *watchList) takeLocked(now State) watched {
	if len(l.watchers) == 0 {
		return nil
	}
	var taken watched
	kept := l.watchers[:0]
	for _, w := range l.watchers {
		if w.seen != now {
			taken = append(taken, w)
		} else {
			kept = append(kept, w)
		}
	}
	clear(l.watchers[len(kept):])
	l.watchers = kept
	return taken
}

func (l *watchList) removeLocked(w *watcher) bool {
	for i, other := range l.watchers {
		if other == w {
			l.watchers = append(l.watchers[:i], l.watchers[i+1:]...)
			return true
		}
	}
	return false
}

func (ws watched) tell() {
	for _, w := range ws {
		if w.stop != nil {
			w.stop()
		}
		w.fire(true)
	}
}

// State is the channel's connectivity now.
func (ch *Channel) State() State {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.state
}

// WaitForStateChange waits until the state differs from seen and reports true,
// or false when ctx ends first. It does not connect by itself.
func (ch *Channel) WaitForStateChange(ctx context.Context, seen State) bool {
	changed := make(chan struct{})
	w := &watcher{seen: seen, fire: func(bool) { close(changed) }}
	if !ch.addWatcher(w, time.Time{}) {
		return true
	}
	select {
	case <-changed:
		return true
	case <-ctx.Done():
		ch.mu.Lock()
		pending := ch.watch.removeLocked(w)
		ch.mu.Unlock()
		return !pending
	}
}

// addWatcher lists w until the deadline, if there is one, or reports false
// because its state is already over.
func (ch *Channel) addWatcher(w *watcher, deadline time.Time) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.state != w.seen {
		return false
	}
	if !deadline.IsZero() { // under mu, so that it cannot fire before w is listed
		w.stop = time.AfterFunc(time.Until(deadline), func() { ch.expire(w) }).Stop
	}
	ch.watch.watchers = append(ch.watch.watchers, w)
	return true
}

// NotifyOnStateChange is WaitForStateChange for a queue: tag comes back once,
// with OK=true when the state differs from seen, OK=false at the deadline. If seen
// is Shutdown, which no state follows, it comes back at once, false. The zero
// deadline is none. The error is cq.ErrShutdown if q is shut down.
func (ch *Channel) NotifyOnStateChange(seen State, deadline time.Time, q cq.Completer, tag cq.Tag) error {
	if !q.Begin() {
		return cq.ErrShutdown
	}
	w := &watcher{seen: seen, fire: func(changed bool) { q.Complete(cq.Completion{Tag: tag, OK: changed}) }}
	if !ch.addWatcher(w, deadline) {
		watched{w}.tell()
	} else if seen == Shutdown {
		ch.expire(w) // a tag without end would keep q from finishing
	}
	return nil
}

func (ch *Channel) expire(w *watcher) {
	ch.mu.Lock()
	pending := ch.watch.removeLocked(w)
	ch.mu.Unlock()
	if pending {
		w.fire(false)
	}
}

// AwaitReady connects and waits until the channel is ready. If ctx ends first the error is
// ctx's, together with the reason why the last attempt to connect failed, if one has. It is
// ErrChannelClosed if the channel is closed.
func (ch *Channel) AwaitReady(ctx context.Context) error {
	for {
		switch s := ch.State(); s {
		case Ready:
			return nil
		case Shutdown:
			return ErrChannelClosed
		case Idle:
			ch.Connect()
		default:
			if !ch.WaitForStateChange(ctx, s) {
				return ch.notReady(ctx)
			}
		}
	}
}

func (ch *Channel) notReady(ctx context.Context) error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.err != nil {
		return &notReadyError{ctx.Err(), ch.err}
	}
	return ctx.Err()
}

// notReadyError is a context's error with the last connect error beside it.
type notReadyError struct{ ctx, last error }

func (e *notReadyError) Error() string {
	return e.ctx.Error() + "; last connect error: " + e.last.Error()
}
func (e *notReadyError) Unwrap() []error { return []error{e.ctx, e.last} }
