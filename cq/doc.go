// Package cq is the completion queue: where operations that were started
// somewhere else end, and where the application picks them up.
//
//	                 Begin                       Complete
//	StartBatch ───────────────► operation ───────────────► Completer
//	                                                          │
//	   ┌──────────────────────────┬───────────────────────────┤
//	   ▼                          ▼                           ▼
//	Queue (New, NewPluck)      Queue (NewCallback)         Waiter
//	Next, NextN, Pluck         Executor runs the tag       Wait
//
// A Completer counts operations: every Begin that returned true is followed by
// exactly one Complete, and every Complete becomes exactly one [Event] unless
// the completion's [Finalizer] swallows it.
//
// The counter of a [Queue] starts at one, the unit that [Queue.Shutdown] gives back. A
// queue is finished when the counter is zero, and stays finished. Events that a loop over
// [Queue.Events] is handling count too, so what they start is still accepted:
//
//	          Shutdown                 last Complete           last event taken
//	open ───────────────► shut down ─────────────────► finished ───────────────► drained
//	Begin true            Begin true                   Begin false               Next: Shutdown
//
// A goroutine that waits here, in Next, in Wait or as a worker of a Pool, may do the work of
// the [Source] of the completions meanwhile, such as reading a connection. Sources offer
// themselves to the [Host] of such goroutines.
//
// # Who needs what
//
//   - Applications: a [Queue], made by [New], [NewPluck] or [NewCallback]; [Tag], [Event] and [Callback]; loops over
//     several queues with [Poll] and [Proceed]; [Alarm]; [Pool] and [Inline], which run callbacks, or an [Executor]
//     of their own. They start operations with packages client and server, or with [Queue.Post].
//   - Whatever has operations of its own that end in a queue, as the styles have: [Completer], with [Completion]
//     and [Finalizer]; [Waiter] and [Discard], which are no queues.
//   - Packages transport, call and server: [Lane], [Source], [Host], [Service] and [Waiters],
//     which make waiting goroutines read connections.
//
// # Where to find what
//
//	event, errors                   tags, events, completions; the interface Completer
//	queue, ring                     a Queue, what is begun and ended on it
//	next, events, pluck             taking events
//	poller, patience                waiting for them
//	callback, executor              a queue that runs its tags; Inline and Pool
//	poll                            loops over queues, and tags that are state machines
//	post, alarm                     events of the application's own: at once, and at a time
//	lane                            completions on their way, delivered together
//	waiter, discard                 completers that are no queues
//	source, service                 waiting goroutines do the work of what they wait for
//
// # Concurrency
//
// All methods of Queue, Alarm and Pool may be called by any goroutine at any time; a
// [Waiter] is begun and completed by any goroutine and waited on by one; a [Lane] belongs
// to one goroutine. Queue.mu guards pointer moves only: finalizers, callbacks and contexts
// run with no lock held. The only goroutines that the package starts are the workers of a
// [Pool] and those of [Poll], its only timers those of armed alarms and of pollers blocked
// in NextUntil or PluckUntil.
package cq
