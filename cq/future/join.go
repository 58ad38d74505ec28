package future

import "sync/atomic"

// Join returns a future of the values of all fs, in their order, which comes
// when the last is resolved; or of the first error, which comes at once, while
// the others go on. The values of no futures are there at once. All fs are of one
// type: to join a *Future and the response of a call, give the Future that the response embeds.
func Join[T any, F Awaitable[T]](fs ...F) *Future[[]T] {
	values := make([]T, len(fs))
	if len(fs) == 0 {
		return Ready(values)
	}
	p := new(Promise[[]T])
	var left atomic.Int64
	left.Store(int64(len(fs)))
	for i, f := range fs {
		f.OnComplete(func(v T, err error) {
			if err != nil {
				p.Fail(err)
				return
			}
			values[i] = v
			if left.Add(-1) == 0 {
				p.Resolve(values)
			}
		})
	}
	return p.Future()
}

// Pair is the values of two futures.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Join2 is Join for two futures of different types.
func Join2[A, B any](a Awaitable[A], b Awaitable[B]) *Future[Pair[A, B]] {
	p := new(Promise[Pair[A, B]])
	values := new(Pair[A, B])
	var left atomic.Int64
	left.Store(2)
	arrived := func(err error) {
		switch {
		case err != nil:
			p.Fail(err)
		case left.Add(-1) == 0:
			p.Resolve(*values)
		}
	}
	a.OnComplete(func(v A, err error) {
		values.First = v
		arrived(err)
	})
	b.OnComplete(func(v B, err error) {
		values.Second = v
		arrived(err)
	})
	return p.Future()
}
