// Package async is the queue style of the client: calls whose operations have
// tags, which come out of a [cq.Queue] when the operations have ended.
//
//	Unary            ResponseReader   [ReadInitialMetadata]           Finish
//	ServerStream     Reader           [ReadInitialMetadata] Read*     Finish
//	ClientStream     Writer           [ReadInitialMetadata] Write*    Finish
//	BidiStream       ReaderWriter     [ReadInitialMetadata] both      Finish
//	    │                 │                                              │
//	 PrepareX             ▼ one batch each (package call)                ▼ status
//	 + StartCall ──► StartBatch ··················► cq.Queue: one event per tag
//
// The forms with a tag start the call at once; its event says that it goes out.
// A unary call has none: all of it is the one batch of Finish. A Writer or
// ReaderWriter that was begun with StartCallCorked sends its initial metadata
// with the first thing to send. WriteLast is Write and WritesDone in one batch.
//
// # What ok means
//
//	                                true                          false
//	StartCall and forms with a tag  it goes out                   the call died first
//	Write, WriteBuffer, WriteLast   out, or buffered if hinted    the call died
//	WritesDone                      out, or the call was over     the call died meanwhile
//	Read                            a message was read            no more messages
//	ReadInitialMetadata             Header has it, maybe empty    the call died first
//	Finish                          always                        never
//
// After any false, call Finish for the status: every call that was started must be
// finished, once, or given up with TryCancel. Event.Err is the reason of a false as
// far as it is known then, and call.ErrEnded if nothing is wrong: the server has no
// more messages, or has ended the call with OK while the client was still writing.
//
// # Ownership and concurrency
//
// A message to write is marshalled before Write returns and may then be reused; the
// request of a unary call is marshalled by Finish or ReadInitialMetadata, that of a
// ServerStream by StartCall. What is read into belongs to the call until the tag has
// come. Objects need no closing; a call that has ended is garbage. A call ends when the
// context given to it does.
//
// WriteBuffer sends a message that call.Encode has marshalled, on any number of
// calls: each takes one reference, a b.Ref(), even if it fails.
//
// All methods may be called by any goroutine, whoever polls the queue. Read is
// independent of Write and WritesDone, and Finish may come from a third
// goroutine: it half-closes if nobody has, and lets an outstanding Read go on. An
// operation that may not be outstanding twice, or comes too early or too late, is
// refused with an error; then nothing has happened and no tag comes.
//
// # Names in C++
//
//	ClientAsyncResponseReader      ResponseReader
//	ClientAsyncReader              Reader
//	ClientAsyncWriter              Writer
//	ClientAsyncReaderWriter        ReaderWriter
//	stub->AsyncM, PrepareAsyncM    Unary …, PrepareUnary …, or generated AsyncM, PrepareAsyncM
//	set_initial_metadata_corked    StartCallCorked
//	GenericStub                    GenericCall, PrepareGenericCall, PrepareGenericUnary
//	WriteOptions                   call.Flags
//	ByteBuffer                     call.Buffer, WriteBuffer
//
//	ClientContext                                context.Context, and options of the call
//	AddMetadata                                  client.WithMetadata
//	set_deadline                                 the context's, or client.WithDeadline
//	set_wait_for_ready                           client.WithWaitForReady
//	set_authority                                client.WithCallAuthority
//	set_compression_algorithm                    client.WithCompressor
//	set_credentials                              none: a token goes into client.WithMetadata, or comes of a call.Filter
//	FromServerContext                            the server's context, or client.WithParent(ctx.Call(), mask)
//	TryCancel                                    the context's cancel, or the object's TryCancel
//	GetServerInitialMetadata, …TrailingMetadata  the object's Header, Trailer
//	peer                                         the object's Peer
package async
