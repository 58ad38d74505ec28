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
// of the call, whose address is the best of tags. When the tag of the request has
// come, true, they belong to the call.
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
//	Write, WriteLast               out, or buffered if hinted   the call died
//	SendInitialMetadata            out                          the call died
//	Finish, FinishWithError,
//	WriteAndFinish                 the status is out            the call died
//	AsyncNotifyWhenDone            the call is over             it never came
//
// Event.Err is the reason of a false. Every call that has come is finished, once,
// whether it lives or not. The server's Shutdown waits for connections, and so for calls
// that live; for one whose client has gone it does not wait, and when the queue has been shut down
// Finish is refused with [cq.ErrShutdown] and no tag comes: the record ends there. Whether
// a call lives is told by Context.IsCancelled, at any time, by Context.Done, and
// by AsyncNotifyWhenDone.
//
// # Ownership and concurrency
//
// A message to write is marshalled before Write returns and is free for reuse
// then. What is read into, and what is given to Request, is the call's until the
// tag has come. There is nothing to free.
//
// All methods may be called by any goroutine. Read is independent of the writes;
// what may not be outstanding twice, or comes too early or too late, is refused
// with an error, and then nothing has happened and no tag comes. With N queues
// and a poller each ([cq.Poll]) all that happens to a call happens on one
// goroutine; with N pollers on a queue a record needs a lock if it has more than
// one operation outstanding. The end of the server shuts the queues of AddQueue
// down, see package server.
//
// # Names in C++
//
//	ServerAsyncResponseWriter        ResponseWriter
//	ServerAsyncReader                Reader
//	ServerAsyncWriter                Writer
//	ServerAsyncReaderWriter          ReaderWriter
//	AsyncService::RequestM           UnaryMethod.Request …, or generated RequestM
//	AsyncGenericService              GenericService
//	ServerContext                    Context
//	ServerCompletionQueue            cq.Queue given to Server.AddQueue
package async
