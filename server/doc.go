// Package server takes connections and gives their calls to the application:
// to completion queues that asked for them, or to handlers, of the sync style or
// of the styles in the packages below, which stand on [NewHandler] and [Context].
//
//	Serve ─► conn ─► OnStream ─► router ─┬─► Handler, sync style: a goroutine per call,
//	                                     │   once the only request is there
//	                                     ├─► Handler, other styles: at once
//	                                     ├─► matcher ◄── RequestCall, RequestRegisteredCall
//	                                     │   calls and requests pair up, tags come out of queues
//	                                     └─► UNIMPLEMENTED
//
// The life of a [Server]:
//
//	building ──Serve──► serving ──Shutdown, ShutdownAndNotify, Close──► stopping ──► drained ──► idle
//	methods and         calls come                  calls in progress end   no connection  no handler
//	queues are added                                nothing new is taken    shutdown tags  queues are shut down
//
// # The sync style, for whom knows grpc-go
//
// [Unary], [ServerStream], [ClientStream] and [BidiStream] make a [Handler] of a function, [Server.Register]
// takes any number before Serve; generated code does both for a service. What a function returns ends its
// call: nil with OK, an error with cqrpc.StatusOf of it, which is UNKNOWN if there is no status in it. Its
// context knows the call ([Incoming]), and takes metadata of the response ([SetHeader], [SendHeader],
// [SetTrailer]). GracefulStop is [Server.Shutdown], Stop is [Server.Close], interceptors and stats handlers
// are a call.Filter ([WithFilter]), keepalive and limits of connections are in [WithTransport]. Credentials
// are [WithTLS]. The README has the whole table, and package grpccompat serves what was generated for grpc-go.
//
// # For styles
//
// [NewHandler], [Accepted], [StyleContext], [StatusNoMessage] and [StatusPanicked], and [IncomingCall]'s Then, are
// what the packages below stand on, and what a style of your own would: see style.go. Applications do not
// need them. [Untyped] is for adapters of generated code.
//
// # Where to find what
//
//	server, options, stats, errors                      a Server: its methods, its settings, what there is now
//	accept, establish, conn                             listeners, connections, what is counted for each
//	router, refusal                                     methods by their names; answers to requests that are no calls
//	handler, untyped, rpc, messages, response, stream   the sync style, from the call of a handler to its status
//	workers                                             the goroutines that run handlers
//	context, incoming, scope                            the Context of a call, in every style and for filters
//	request, arrival, matcher, lineup, pending          the queue style: calls and requests for them find each other
//	style                                               the seam for all other styles
//	shutdown                                            the end, with patience or without
//
// # Concurrency
//
// Every method of Server is safe for concurrent use; methods and queues can be
// added until the first Serve. Serve and ServeConn block, Shutdown at most until
// its context ends and 2 s more, Close at most 2 s; nothing else does. Server.mu, a matcher's
// lock and the locks of the packages below are never held together, nor over
// I/O, decoding or the application's code. Matching runs on the connection's
// reader; payloads are decoded by whoever harvests the tag, or by the handler's
// goroutine.
//
// # One message to many streams
//
// Send marshals its message into memory that is held until the client takes it.
// A message that goes to many streams is encoded once with call.Encode and sent with
// Sender.SendBuffer, or what the other styles have in its place; each send takes one
// reference, a b.Ref(), even if it fails.
//
// # Queues
//
// A queue given to AddQueue is the server's: Shutdown and Close shut it down
// when the server has ended, so that a poller sees the Shutdown event last. What a
// poller starts for an event is accepted, even for the last, if it takes events by
// [cq.Poll] or a loop over [cq.Queue.Events]. What is started elsewhere, or for an
// event of Next, may come too late; it is refused with [cq.ErrShutdown], which then
// means that the server has ended. Shutting such a queue down earlier is harmless and
// has no effect on the server, but the queue is not finished before the server's
// requests for calls have come back.
package server
