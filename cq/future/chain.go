package future

import "runtime/debug"

// Map returns a future of fn's result on the value of f, or of f's error. The package
// comment says where fn runs and what becomes of its panics.
func Map[T, U any](f Awaitable[T], fn func(T) (U, error)) *Future[U] {
	p := new(Promise[U])
	f.OnComplete(func(v T, err error) {
		if err != nil {
			p.Fail(err)
			return
		}
		p.try(func() (U, error) { return fn(v) })
	})
	return p.Future()
}

// Then returns a future of the result of the future that fn makes of the value of f, or
// of f's error: the next step of something that takes several calls. The package
// comment says where fn runs and what becomes of its panics.
func Then[T, U any, F Awaitable[U]](f Awaitable[T], fn func(T) F) *Future[U] {
	p := new(Promise[U])
	f.OnComplete(func(v T, err error) {
		if err != nil {
			p.Fail(err)
			return
		}
		var next Promise[*Future[U]]
		next.Future().OnComplete(func(f *Future[U], err error) { p.follow(f, err) })
		next.try(func() (*Future[U], error) { return fn(v).self(), nil })
	})
	return p.Future()
}

// follow lets f decide the result, unless there is none.
func (p *Promise[T]) follow(f *Future[T], err error) {
	switch {
	case err != nil:
		p.Fail(err)
	case f == nil:
		p.Fail(ErrNone)
	default:
		f.OnComplete(func(v T, err error) { p.Settle(v, err) })
	}
}

// try settles p with what fn returns, or with its panic.
func (p *Promise[T]) try(fn func() (T, error)) {
	var v T
	var err error
	returned := false
	defer func() {
		if !returned { // panic, or runtime.Goexit as testing's FailNow
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		p.Settle(v, err)
	}()
	v, err = fn()
	returned = true
}
