// Package future has a type for results that come later: a [Future] is resolved
// once, with a value or an error, and can be awaited, polled, chained, selected
// and joined. An [Environment] is completion queues, with one poller each, that
// resolve the futures of the styles client/future and server/future.
//
//	Promise ──Resolve, Fail──► Future ──► Await(ctx), Done, Poll, OnComplete
//	                             │
//	                             └──────► Map, Then, Select, First, Join, Join2, Timeout
//
//	pending ──Resolve, Fail: once──► resolved     any number of readers, then and later
//
// The combinators take futures, and what embeds one, such as the response of a call:
// see [Awaitable].
//
// One future is one tag is one heap cell, as in grpc-rs: the cell that the
// engine completes is the one that is awaited. A channel is made only for a
// goroutine that has to wait.
//
// # Where callbacks run
//
// A function given to OnComplete, Map or Then runs on the goroutine that
// resolves the future, after it is resolved and with no lock held; if the future
// is resolved already, it runs at once, on the calling goroutine. The futures of
// calls are resolved by the poller of the queue that the call lives on. So the
// function must not block: it would hold up every call of that queue, and if it
// waited for one of them (Await, Recv) it would wait for itself, forever. Work that
// blocks belongs on a goroutine, whose result a Promise turns into a future again.
//
// A panic in a function of Map or Then becomes the error of the future that they
// return, a [*PanicError]. One in a function of OnComplete or Spawn that runs on
// a poller is reported, see [WithPanicHandler], and the poller goes on.
//
// # From the talk "Futures and gRPC in Rust"
//
//	ok(1)                       Ready(1)
//	err(e)                      Failed[int](e)
//	empty(), oneshot::channel   new(Promise[T]) and its Future
//	f.poll()                    f.Poll()
//	f.wait()                    f.Await(ctx)
//	f.map(|x| x + 1)            Map(f, func(x int) (int, error) { return x + 1, nil })
//	f.and_then(g)               Then(f, g)
//	f1.select(f2)               Select(f1, f2): Selection has Value and Rest
//	join_all, f1.join(f2)       Join, Join2
//	task::current, notify       OnComplete; Await wakes its goroutine
//	Environment::new(n)         NewEnvironment(n)
//	env.pick_cq()               env.Pick()
//	a timer                     env.After(d)
//	tokio's timeout(d, f)       Timeout(env, f, d)
//	ctx.spawn(f)                env.Spawn(f), and Context.Spawn of package server/future
//	drop(env)                   env.Close(), which says what was left open
//
// A Rust future does nothing until it is polled; these are under way when they
// are made, like everything a completion queue completes.
//
// Concurrency: all methods of all types may be called by any goroutine.
// Future.mu is never held over a callback or another lock. The package starts the pollers
// and no other goroutine.
package future
