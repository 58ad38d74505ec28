// Package reactor is the callback style for clients: an object reacts to what
// happens to its call, and starts what is to happen next. Nobody waits, and a
// call has no goroutine.
//
//	r.StartRead(&m) ──► operation of the call ──ends──► r's mailbox
//	      ▲                                                │ executor
//	      └───────────────── r.OnReadDone(ok) ◄────────────┘
//
//	type printer struct {
//		reactor.ReadBase[pb.Feature]
//		feature pb.Feature
//	}
//	func (p *printer) OnReadDone(ok bool) {
//		if ok {
//			fmt.Println(&p.feature)
//			p.StartRead(&p.feature)
//		}
//	}
//
//	stub := reactor.New(ch) // or a generated client
//	p := new(printer)
//	reactor.ServerStream(ctx, stub, listFeatures, rect, p)
//	p.StartRead(&p.feature)
//	p.StartCall()
//
// A reactor embeds the base of its kind and has the reactions it cares about. The
// reactions of the base do nothing, and yield to those of anything else that the
// reactor embeds.
//
//	start                       reaction, one for each        how many
//	StartCall                   OnReadInitialMetadataDone     once; only HeaderReactors
//	StartRead                   OnReadDone                    one outstanding
//	StartWrite                  OnWriteDone                   one outstanding
//	StartWriteBuffer            OnWriteDone                   likewise, it is a StartWrite
//	StartWriteLast              OnWriteDone                   once, no write after it
//	StartWritesDone             OnWritesDoneDone              once, no write after it
//	                            OnDone                        once, last
//
// What is asked for before StartCall waits for it: one read, one write and the
// end of writes.
//
// StartWriteBuffer sends a message that call.Encode has marshalled, on any number
// of calls: each takes one reference, a b.Ref(), even if it fails.
//
// # Reactions
//
// The reactions of one reactor run one at a time, on the executor of its [Stub],
// and never inside a StartX, TryCancel or RemoveHold: its caller may hold a lock
// that they want. With the default executor they may block; that stops their own
// call and no other. A panic in a reaction ends the process, as in any goroutine.
//
// # The end
//
// OnDone comes when the status is there, every operation has had its reaction,
// and every hold was removed. Messages that have arrived are not lost because
// the status is an error: they can still be read before it.
//
// When nothing is outstanding but the status, no reaction runs and there is no
// hold, nobody can start anything any more. Then the library half-closes the call if
// the reactor has not, and drops what is not read: so a reactor that stops reading, or
// forgets StartWritesDone, ends with the server's status. If operations are to be
// started from outside the reactions after StartCall, take a hold, and remove it when a
// reaction brings ok=false: OnDone waits for that, even if the call is long over.
//
// # Mistakes
//
// An operation that cannot be started ends the call with INTERNAL and a message that
// names the mistake; OnDone brings it, however the call may have ended before. So does a
// message that cannot be marshalled, whose OnWriteDone(false) comes as well, one whose
// codec ends the goroutine (runtime.Goexit), and a RemoveHold too many. After OnDone all
// methods do nothing.
//
// A reactor serves one call, ever; make a new one for the next. Giving it a second call
// panics.
//
// # Names in C++
//
//	grpc::ClientUnaryReactor, ClientReadReactor, …   UnaryBase, ReadBase[Res], …
//	stub->async()->M(&ctx, &req, &res, callback)     Unary, or generated M
//	stub->async()->M(&ctx, &req, reactor)            ServerStream, …, or generated M
//	AddHold, AddMultipleHolds, RemoveHold            the same; Hold returns its release
//	context.TryCancel()                              TryCancel, or the context's cancel
//	WriteOptions                                     call.Flags
//	ByteBuffer                                       call.Buffer, StartWriteBuffer
//	delete this in OnDone                            nothing
//
// Concurrency: all methods of a reactor's base may be called by any goroutine;
// a Stub is for any number of them. The package starts no goroutine but the
// workers of the executor, and one to run the reactions of an Inline stub when
// an operation that was started outside a reaction ends at once.
package reactor
