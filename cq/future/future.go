package future

import (
	"context"
	"slices"
	"sync"
)

// Future is a value or an error that comes later, once. It is made by a
// [Promise], by Ready and Failed, and by what combines futures. All methods may
// be called concurrently; any number of readers get the same result.
type Future[T any] struct {
	mu sync.Mutex

	// guarded by mu until resolved, immutable then
	isResolved bool
	value      T
	err        error

	// guarded by mu
	done     chan struct{}  // made by the first Done that has to wait
	first    func(T, error) // told when resolved; most futures have no other
	watchers []*watcher[T]  // told after it, in this order
}

// Awaitable is a *Future[T], or what embeds one, as the response of a call: the
// combinators take either.
type Awaitable[T any] interface {
	Await(ctx context.Context) (T, error)
	OnComplete(fn func(T, error))

	self() *Future[T]
}

func (f *Future[T]) self() *Future[T] { return f }

// watcher is one function that waits for a future. It is a pointer so that it
// can be found again.
type watcher[T any] struct{ react func(T, error) }

// resolved is Done of futures that are resolved. It belongs to no
// testing/synctest bubble.
var resolved = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Ready returns a future that is resolved with v.
func Ready[T any](v T) *Future[T] { return &Future[T]{isResolved: true, value: v} }

// Failed returns a future that is resolved with err. A nil err is a mistake, and is
// replaced by an error that says so.
func Failed[T any](err error) *Future[T] {
	if err == nil {
		err = errNoError
	}
	return &Future[T]{isResolved: true, err: err}
}

// Poll returns the result if there is one by now, and whether there is. It
// never blocks, and unlike in Rust it may be called again.
//
//nolint:revive // ok says whether the others mean anything, so it comes last
func (f *Future[T]) Poll() (v T, err error, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value, f.err, f.isResolved
}

// Await waits for the result until ctx ends, and then returns ctx's error. A result
// that is there is returned even if ctx has ended. The end of ctx does not affect the
// future, nor the call behind it: Await again, or cancel. On a poller of the environment
// that is to resolve the future, Await waits forever.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if v, err, ok := f.Poll(); ok {
		return v, err
	}
	select {
	case <-f.Done():
	case <-ctx.Done():
	}
	v, err, ok := f.Poll()
	if !ok {
		return v, ctx.Err()
	}
	return v, err
}

// Done returns a channel that is closed when the future is resolved, for
// select statements.
func (f *Future[T]) Done() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.done != nil:
		return f.done
	case f.isResolved:
		return resolved
	}
	f.done = make(chan struct{})
	return f.done
}

// OnComplete calls fn with the result when there is one: on the goroutine that
// resolves the future, in the order of the calls of OnComplete; or at once, on
// this goroutine, if it is resolved. The package comment says what fn may do. It
// panics if fn is nil.
func (f *Future[T]) OnComplete(fn func(T, error)) {
	if fn == nil {
		panic("future: OnComplete of nil")
	}
	f.mu.Lock()
	isResolved := f.isResolved
	switch {
	case isResolved:
	case f.first == nil && len(f.watchers) == 0:
		f.first = fn
	default:
		f.watchers = append(f.watchers, &watcher[T]{fn})
	}
	f.mu.Unlock()
	if isResolved {
		fn(f.value, f.err)
	}
}

// watch is OnComplete for a watcher that can be taken back.
func (f *Future[T]) watch(w *watcher[T]) {
	f.mu.Lock()
	isResolved := f.isResolved
	if !isResolved {
		f.watchers = append(f.watchers, w)
	}
	f.mu.Unlock()
	if isResolved {
		w.react(f.value, f.err)
	}
}

// unwatch takes w back, unless it is being told or was.
func (f *Future[T]) unwatch(w *watcher[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.watchers, w); i >= 0 {
		f.watchers = slices.Delete(f.watchers, i, i+1)
	}
}

// settle resolves the future and tells who waits. It reports false, and does
// nothing, if it is resolved already.
func (f *Future[T]) settle(v T, err error) bool {
	f.mu.Lock()
	if f.isResolved {
		f.mu.Unlock()
		return false
	}
	f.isResolved, f.value, f.err = true, v, err
	first, watchers := f.first, f.watchers
	f.first, f.watchers = nil, nil
	if f.done != nil {
		close(f.done)
	}
	f.mu.Unlock()
	defer f.tell(watchers)
	if first != nil {
		first(v, err)
	}
	return true
}

// tell runs the watchers. One that panics does not keep the others from being
// told; the panic goes on then.
func (f *Future[T]) tell(watchers []*watcher[T]) {
	if len(watchers) == 0 {
		return
	}
	if len(watchers) > 1 {
		defer f.tell(watchers[1:])
	}
	watchers[0].react(f.value, f.err)
}

// Promise is the other end of a future: whoever has it decides the result.
// The zero value is ready to use and is not resolved. It must not be copied.
type Promise[T any] struct{ future Future[T] }

// Future returns the future, always the same.
func (p *Promise[T]) Future() *Future[T] { return &p.future }

// Resolve gives the future its value. It reports false, and changes nothing, if
// the future was resolved before. Functions of OnComplete run before it returns.
func (p *Promise[T]) Resolve(v T) bool { return p.future.settle(v, nil) }

// Fail is Resolve with an error. A nil err is a mistake, and is replaced by an error
// that says so.
func (p *Promise[T]) Fail(err error) bool {
	if err == nil {
		err = errNoError
	}
	var zero T
	return p.future.settle(zero, err)
}

// Settle is Resolve, or Fail if err is not nil.
func (p *Promise[T]) Settle(v T, err error) bool {
	if err != nil {
		return p.Fail(err)
	}
	return p.Resolve(v)
}
