// Package future serves calls in the style of futures, as grpc-rs does: a
// handler gets the request or a [Stream] of requests, and a [ResponseSink] or a
// [Sink]. It returns at once; the call ends when the sink is used up, by the handler or
// by other code later.
//
//	shape            the handler gets                        it ends the call by
//	Unary            *Context, request, ResponseSink         Success, Fail
//	ServerStream     *Context, request, Sink                 Close, Fail
//	ClientStream     *Context, Stream, ResponseSink          Success, Fail
//	BidiStream       *Context, Stream, Sink                  Close, Fail
//
//	connection ─► {RECV_CLOSE}, {RECV_MESSAGE} ─► queue ─► poller: handler(ctx, req, sink)
//	anybody    ─► sink ─► {INIT, MESSAGE, STATUS} ─► queue ─► poller: the sink's future
//
// A call costs no goroutine, however long it is open. The calls of a handler are
// dealt out to the queues of its future.Environment. The handler, and the functions
// given to OnComplete, Map or Then of the call's futures, run on the poller of the
// call's queue, one at a time. They must not block, because every other call of that
// queue waits meanwhile. So Await, Recv, All and SendAll, which take a context, are not
// for handlers; Next, ForEach, Send and SendFrom are. Work that blocks belongs on a
// goroutine, which answers when it is done:
//
//	func sayHello(ctx *serverfuture.Context, req *Request, sink *serverfuture.ResponseSink[Reply]) {
//		go func() { sink.Success(lookUp(ctx, req)) }()
//	}
//
// # One message to many streams
//
// Send marshals, so a message for 5000 sinks is encoded, and held until it is out,
// 5000 times. call.Encode encodes it once, and SendBuffer sends it to any number of
// sinks whose calls have that codec. Each takes a reference, a b.Ref(), even if its
// future fails; Free your own when all were started, and do not change the bytes.
//
// # Ends
//
// Every sink must be used up, or its call cancelled: else the call stays open until the
// client gives up, and the server's Shutdown waits for it. A call that the client or a
// deadline has ended needs nothing more, and using it does no harm: futures fail. A
// handler that panics ends its call with INTERNAL, and so does a function given to
// ForEach, SendFrom or Spawn. One given to OnComplete does not: its environment reports
// the panic, and the call stays open. With future.WithLeakHandler the garbage collector
// cancels calls whose sink was dropped, as Rust does.
// Close the server before the environment: Environment.Close ends what is left
// with UNAVAILABLE.
//
// # Names in grpc-rs
//
//	grpc-rs                                  here
//	RpcContext, ctx.spawn(f)                 Context, Context.Spawn
//	UnarySink, ClientStreamingSink           ResponseSink: Success, Fail
//	ServerStreamingSink, DuplexSink          Sink: Send, SendBuffer, Close, Fail, SetStatus, EnhanceBatch
//	sink.send_all(iter(s))                   Sink.SendFrom(future.Values(s))
//	RequestStream                            Stream: Next, Recv, All
//	stream.for_each(f), fold                 Stream.ForEach(f), ForEachThen(f)
//	sink.set_headers(h), RpcContext headers  Context.SetHeader, Context.Metadata
//	success(m).map_err(…)                    OnComplete of what Success returns
//	drop of a sink                           Cancel
//	ServiceBuilder                           server.Register(Unary(…), …)
//
// A request that is missing is UNIMPLEMENTED here, as in every style of this
// library, and INTERNAL in grpc-rs.
//
// Concurrency: everything here may be used by any goroutine.
package future
