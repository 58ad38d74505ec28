package future

import (
	"slices"
	"sync"
)

// Selection is the first of several futures to be resolved, and the others.
type Selection[T any] struct {
	Index int // of the future among the arguments
	Value T
	Err   error        // of that future
	Rest  []*Future[T] // the others, in their order; they go on and can be awaited
}

// Select returns a future of the first of fs that is resolved, whether with a value
// or with an error; of several that are resolved already, the one that comes first in
// fs. It fails, with ErrNone, only if there are none. Once it is resolved it leaves
// nothing behind in the others: a future may be selected again and again without ever
// being resolved. All fs are of one type, as for Join.
func Select[T any, F Awaitable[T]](fs ...F) *Future[Selection[T]] {
	if len(fs) == 0 {
		return Failed[Selection[T]](ErrNone)
	}
	c := &race[T]{fs: make([]*Future[T], len(fs))}
	for i, f := range fs {
		c.fs[i] = f.self()
	}
	for i := range c.fs {
		if !c.enter(i) {
			break
		}
	}
	return c.promise.Future()
}

// First returns a future of the result of the first of fs that is resolved: Select
// for callers that need neither its index nor the others.
func First[T any, F Awaitable[T]](fs ...F) *Future[T] {
	return Map(Select(fs...), func(s Selection[T]) (T, error) { return s.Value, s.Err })
}

// race is one Select.
type race[T any] struct {
	promise Promise[Selection[T]]
	fs      []*Future[T] // immutable

	mu sync.Mutex
	// guarded by mu
	isDecided bool
	watchers  []*watcher[T] // of fs, as far as they have entered
}

// enter lets the i-th future take part. It reports false if there is a winner.
func (c *race[T]) enter(i int) bool {
	w := &watcher[T]{func(v T, err error) { c.finish(i, v, err) }}
	c.fs[i].watch(w)
	c.mu.Lock()
	isDecided := c.isDecided
	if !isDecided {
		c.watchers = append(c.watchers, w)
	}
	c.mu.Unlock()
	if isDecided {
		c.fs[i].unwatch(w)
	}
	return !isDecided
}

// finish is called by the futures as they are resolved; the first one wins.
func (c *race[T]) finish(i int, v T, err error) {
	c.mu.Lock()
	if c.isDecided {
		c.mu.Unlock()
		return
	}
	c.isDecided = true
	watchers := c.watchers
	c.watchers = nil
	c.mu.Unlock()
	for k, w := range watchers {
		c.fs[k].unwatch(w)
	}
	rest := slices.Delete(slices.Clone(c.fs), i, i+1)
	c.promise.Resolve(Selection[T]{Index: i, Value: v, Err: err, Rest: rest})
}
