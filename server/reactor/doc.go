// Package reactor is the callback style for servers: a method returns an object
// that reacts to what happens to its call, and starts what is to happen next.
// Nobody waits, and a call has no goroutine.
//
//	request ──► handler ──returns──► reactor ──StartX──► operation of the call
//	                                    ▲                        │ ends
//	                                    └─ OnXDone ◄── executor ◄┘
//
//	type lister struct {
//		reactor.WriteBase[pb.Feature]
//		left []*pb.Feature
//	}
//	func (l *lister) OnWriteDone(ok bool) { l.next() }
//	func (l *lister) next() {
//		if len(l.left) == 0 {
//			l.Finish(cqrpc.Status{})
//			return
//		}
//		f := l.left[0]
//		l.left = l.left[1:]
//		l.StartWrite(f)
//	}
//
//	reactor.ServerStream(listFeatures, func(_ *reactor.Context, r *pb.Rectangle) reactor.WriteReactor[pb.Feature] {
//		l := &lister{left: within(r)}
//		l.next()
//		return l
//	})
//
// A reactor embeds the base of its kind and has the reactions it cares about. The
// reactions of the base do nothing, and yield to those of anything else that the
// reactor embeds.
//
//	start                       reaction, one for each        how many
//	StartSendInitialMetadata    OnSendInitialMetadataDone     once, before any write
//	StartRead                   OnReadDone                    one outstanding
//	StartWrite                  OnWriteDone                   one outstanding
//	StartWriteBuffer            OnWriteDone                   likewise, it is a StartWrite
//	StartWriteLast              OnWriteDone                   once, only Finish after it
//	StartWriteAndFinish         none                          once, it is a Finish
//	Finish                      none                          once, the first counts
//	                            OnCancel                      at most once
//	                            OnDone                        once, last
//
// What is started before the handler has returned, for example by the reactor's
// constructor, waits for that. A nil reactor ends the call with UNIMPLEMENTED.
//
// # Reactions
//
// The handler and the reactions of one call run one at a time, on the executor
// of the method, and never inside a StartX, Finish or TryCancel: its caller may
// hold a lock that they want. With the default executor they may block; that
// stops their own call and no other. A panic in one of them ends the call with
// INTERNAL and is reported (server.WithPanicHandler); what is outstanding still
// has its reaction, and OnDone comes.
//
// # The end
//
// OnDone comes when the call was finished and is over, and every operation has
// had its reaction. If a call was cancelled and not finished, the library finishes it
// once OnCancel has returned and nothing is outstanding. A call that is alive and never
// finished stays open until the client's deadline, its cancel, or the context of
// Server.Shutdown ends it.
//
// # One message to many streams
//
// StartWrite marshals, so a message for 5000 calls is encoded, and held until it is
// out, 5000 times. call.Encode encodes it once, and StartWriteBuffer sends it on any
// number of calls with that codec. Each takes a reference, a b.Ref(), even if the write
// fails; Free your own when all were started, and do not change the bytes. One write may
// be outstanding here, too, so the reactor has to queue what is broadcast until
// OnWriteDone comes.
//
// # Mistakes
//
// An operation that cannot be started ends the call with INTERNAL and a message that
// names the mistake; OnCancel and OnDone follow. So does a response that cannot be
// marshalled. What is started after Finish, even another Finish, is ignored and has no
// reaction.
//
// # Names in C++
//
//	grpc::ServerUnaryReactor, ServerReadReactor, …   UnaryBase, ReadBase[Req], …
//	CallbackServerContext                            Context, which is a context.Context
//	context->DefaultReactor()                        the same
//	CallbackGenericService                           Generic
//	WriteOptions                                     call.Flags
//	ByteBuffer, raw methods                          call.Buffer, StartWriteBuffer
//	delete this in OnDone                            nothing
//
// Concurrency: all methods of a reactor's base and of a Context may be called by
// any goroutine, at any time. The package starts no goroutine but the workers of
// the executor, and one to run the reactions of an Inline method when an
// operation that was started outside a reaction ends at once.
package reactor
