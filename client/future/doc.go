// Package future makes calls in the style of futures, as grpc-rs does: a call returns
// at once with a [Response] or a [Stream], with a [Sink] beside it if there are many
// requests, and nothing waits unless the application does.
//
//	shape            the application gets         batches
//	Unary            Response                     {INIT, MSG, CLOSE, RECV_MSG, RECV_STATUS}
//	ServerStream     Stream                       {INIT, MSG, CLOSE, RECV_STATUS}, {RECV_MSG}…
//	ClientStream     Sink, Response               {INIT, RECV_MSG, RECV_STATUS}, {MSG}…, {CLOSE}
//	BidiStream       Sink, Stream                 {INIT, RECV_STATUS}, both of the above
//
//	StartBatch ─► call … ─► queue of the Stub ─► its poller ─► future resolved ─► who waits
//
// A call costs no goroutine, however long it is open. All calls of a [Stub] end
// on one queue of its future.Environment, whose poller decodes their messages
// and runs their callbacks: see package cq/future on what those may do.
//
// Sink.SendBuffer sends a message that call.Encode has marshalled, to any number of
// sinks: each takes one reference, a b.Ref(), even if it fails.
//
// # Ends
//
// Failures are *cqrpc.Error with the status that the server sent, details included,
// or that was made here. A call ends when its context does. Close the Sink of a
// streaming call when all is sent, and read the Stream to its end or close it, with
// defer: a call that is left open stays open as long as its context, and
// Environment.Close reports it. With future.WithLeakHandler the garbage collector
// cancels what was dropped, as Rust does.
//
// # Where this differs from grpc-rs
//
//   - Calls are under way when they are made, not when first polled.
//   - Messages that arrived before a status that is not OK are yielded, then the
//     error. grpc-rs drops them.
//   - RECV_INITIAL_METADATA is started by Header, not with the call.
//   - There is no poll_ready: one message may wait behind the one on its way, and
//     the next fails with future.ErrPending. Close and Flush may always be called.
//   - Closing a Stream cancels its call. Dropping it does nothing.
//
// # Names in grpc-rs
//
//	grpc-rs                                       here
//	ClientUnaryReceiver, ClientCStreamReceiver    Response
//	ClientSStreamReceiver, ClientDuplexReceiver   Stream
//	ClientCStreamSender, ClientDuplexSender       Sink
//	sink.send((m, flags))                         Sink.Send(m, flags)
//	sink.send_all(stream)                         SendFrom; SendAll for goroutines
//	enhance_batch, flush, close                   EnhanceBatch, Flush, Close
//	stream.next()                                 Next; Recv for goroutines
//	stream.for_each(f), try_fold, try_collect     ForEach, ForEachThen; All for goroutines
//	receive_sync, future.wait()                   Await
//	CallOption                                    client.CallOption
//	drop                                          Close or Cancel
//	Error::RpcFailure                             *cqrpc.Error
//	Error::RpcFinished                            that, or future.ErrFinished after OK
//	Error::QueueShutdown                          *cqrpc.Error that is cq.ErrShutdown
//
// Concurrency: everything here may be used by any goroutine. Await, Recv, All and
// SendAll, which take a context, wait, so pollers must not call them.
package future
