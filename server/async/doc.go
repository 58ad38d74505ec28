// Package async is the queue style of the server: the application asks for
// calls, and everything it asked for comes out of a [cq.Queue] by tag.
//
//	RegisterUnary         UnaryMethod         Request(ctx, req, ResponseWriter, …)
//	RegisterServerStream  ServerStreamMethod  Request(ctx, req, Writer, …)
//	RegisterClientStream  ClientStreamMethod  Request(ctx, Reader, …)
//	RegisterBidiStream    BidiStreamMethod    Request(ctx, ReaderWriter, …)
//	NewGenericService     GenericService      RequestCall(ctx, ReaderWriter of bytes, …)
//
//	Request ──tag──► Read*, Write*, [SendInitialMetadata] ──► Finish ──tag──► gone
//	   │ false: the server ends; nothing is bound
//	   └ one Request takes one call: ask again when it has come
//
// A [Context] and a responder are zero values, fields of the application's record
// of the call, whose address makes the best tag. When the tag of the request has come,
// true, they belong to the call.
//
// Initial metadata goes out with the first Write or with Finish. WriteAndFinish
// is one batch; a Finish before which nothing was sent or set is one header block
// (Trailers-Only).
//
// # What ok means
//
//	                               true                         false
//	Request, RequestCall           a call has come              the server ended
//	Read                           a message was read           half-closed, or the call died
//	Write, WriteBuffer, WriteLast  out, or buffered if hinted   the call died
//	SendInitialMetadata            out                          the call died
//	Finish, FinishWithError,
//	WriteAndFinish                 the status is out            the call died
//	AsyncNotifyWhenDone            the call is over             it never came
//
// Event.Err is the reason of a false. Every call that has come must be finished, once,
// even if it has ended. Context.IsCancelled, Context.Done and AsyncNotifyWhenDone tell
// whether it has. The server's Shutdown waits for connections, and so for calls that
// live; it does not wait for a call whose client has gone. When the queue has been shut
// down by then, Finish is refused with [cq.ErrShutdown] and no tag comes: drop the
// record.
//
// Finish may come while a Write is outstanding: the status follows the message, and
// both tags are true. An outstanding Read ends, false.
//
// # How many requests
//
// Calls that come faster than they are asked for wait: by default 1000 of them, for up
// to 30 s. Any more are refused with RESOURCE_EXHAUSTED, see
// [server.WithPendingLimits]. A server of many streams raises Calls, or keeps many
// Requests outstanding. A method that is registered and never asked for does not
// answer UNIMPLEMENTED: its callers wait, until Age ends them with UNAVAILABLE.
//
// A generated RegisterXAsyncService registers every method of the service. To
// serve the others in other styles register one alone, as C++'s
// WithAsyncMethod_M does: RegisterBidiStream(s, pb.X_M) and so on, then Request.
//
// # More than one operation outstanding
//
// Give each a tag type over the same record, see the example SeveralOperations:
//
//	type chat struct { … } // a call
//	type reads chat        // its tags, one type for each operation
//	type writes chat
//
//	func (t *reads) Proceed(ok bool)  { (*chat)(t).onRead(ok) }
//	func (t *writes) Proceed(ok bool) { (*chat)(t).onWrite(ok) }
//
//	c.stream.Read(&c.req, (*reads)(c))
//
// It allocates nothing. With several pollers of a queue the record needs a mutex.
// After Finish start nothing more; the record is free when all its tags have come,
// including that of AsyncNotifyWhenDone. That tag may overtake a Read that is still
// true, or the request: if you finish the call when it comes, as C++ servers do, the
// handlers of all other tags must first check whether the record was finished.
//
// # Ownership and concurrency
//
// A message to write is marshalled before Write returns and may then be reused. What
// is read into, and what is given to Request, belongs to the call until the tag has
// come. There is nothing to free but your own references to buffers.
//
// All methods may be called by any goroutine. Read is independent of the writes. An
// operation that may not be outstanding twice, or comes too early or too late, is
// refused with an error; then nothing has happened and no tag comes. With N queues
// and a poller each ([cq.Poll]) all that happens to a call happens on one
// goroutine; with N pollers on a queue a record needs a lock if it has more than
// one operation outstanding. The end of the server shuts the queues of AddQueue
// down, see package server.
//
// # One message to many streams
//
// Write marshals, so a message for 5000 streams is encoded, and held until it is out,
// 5000 times. call.Encode encodes it once, and WriteBuffer sends it on any number of
// calls with that codec. Each takes a reference, even if it refuses:
//
//	b, err := call.Encode(codec.Proto(), line)
//	…
//	for _, m := range members {
//		if err := m.stream.WriteBuffer(b.Ref(), m.written()); err != nil {
//			… // m is busy with the last message, or finished; there is nothing to free
//		}
//	}
//	b.Free()
//
// The memory is used again when the last write has ended. Until then nobody may change
// it. Calls that compress do so each for itself, unless told not to by call.NoCompress.
//
// # Names in C++
//
//	ServerAsyncResponseWriter        ResponseWriter
//	ServerAsyncReader                Reader
//	ServerAsyncWriter                Writer
//	ServerAsyncReaderWriter          ReaderWriter
//	AsyncService::RequestM           UnaryMethod.Request …, or generated RequestM
//	AsyncGenericService              GenericService
//	ByteBuffer, raw methods          call.Buffer, WriteBuffer
//	ServerCompletionQueue            cq.Queue given to Server.AddQueue
//
//	ServerContext                                    Context
//	client_metadata                                  Metadata
//	AddInitialMetadata, AddTrailingMetadata          SetHeader, SetTrailer
//	peer, auth_context                               Peer, Peer().TLS
//	deadline                                         Deadline
//	IsCancelled                                      the same, at any time, without AsyncNotifyWhenDone
//	AsyncNotifyWhenDone, TryCancel                   the same
//	set_compression_algorithm                        SetCompressor
//	set_compression_level                            none: SetCompressor names the algorithm
//	ExperimentalGetAuthority                         Authority
package async
