// Package reaction runs the reactions of reactors, one at a time per reactor:
// what the styles client/reactor and server/reactor have in common.
//
//	StartX ──Begin──► operation of the call ──Tell──► ready ─┐   one of each kind
//	                                         ──End ──► (no reaction)
//	                                                         ▼
//	            Loop: a callback queue        Mailbox.Run: React, React, …, Done
//
// A [Mailbox] is the state of one reactor. A goroutine that finds it idle with
// something to react to puts it on its [Loop], whose executor runs it until there is
// nothing left to do; what ends meanwhile is only noted. So reactions never
// overlap, a reaction that blocks stops its own reactor and no other, and an
// operation that ends while a reaction runs costs no hand-over at all.
//
// Nothing here knows what an operation does. The styles complete their own batches:
// the struct that has the Mailbox in it has a type for each kind of operation, which is
// the Completer, and says when the kind has ended.
//
// Concurrency: all methods of Mailbox may be called by any goroutine, but Run by
// the Loop only. Mailbox.mu is never held over a reaction, a batch or a queue.
package reaction
