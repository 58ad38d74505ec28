// Package future serves calls in the style of futures, as grpc-rs does: a
// handler gets the request or a [Stream] of requests, and a [ResponseSink] or a
// [Sink]; it returns at once, and the call ends when the sink is used up, by
// whomever, then or later.
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
// dealt out to the queues of its future.Environment. The handler, and what waits
// for the call's futures by OnComplete, Map or Then, runs on the poller of the
// call's queue, one thing at a time: it must not block, for every other call of
// that queue waits meanwhile. Await, Recv, All and SendAll, which take a context, are
// therefore not for handlers; Next, ForEach, Send and SendFrom are. Work that
// blocks goes to a goroutine, which answers when it is done:
//
//	func sayHello(ctx *serverfuture.Context, req *Request, sink *serverfuture.ResponseSink[Reply]) {
//		go func() { sink.Success(lookUp(ctx, req)) }()
//	}
//
// # One message to many streams
//
// Send marshals, so a message for 5000 sinks is made, and held until it is out,
// 5000 times. call.Encode makes it once, and SendBuffer sends it to any number of
// sinks whose calls have the codec it was made by. Each is given a reference, a
// b.Ref(), and frees it whatever its future says; Free your own when all were
// started, and leave the bytes alone.
//
// # Ends
//
// Every sink must be used up, or its call cancelled; until the client gives up
// the call is open, and the server's Shutdown waits for it. What the client or a
// deadline ended needs nothing more, and using it does no harm: futures fail. A
// handler that panics ends its call with INTERNAL, and so does a function of
// ForEach, SendFrom or Spawn. One of OnComplete does not: its environment reports
// it, and the call stays open. With future.WithLeakHandler
// the garbage collector cancels calls whose sink was dropped, as Rust does.
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
