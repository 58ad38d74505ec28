// Package client opens calls: a [Channel] finds or makes the connection, the
// sync style ([Unary], [ServerStream], [ClientStream], [BidiStream]) makes the
// calls that most users want, and [Channel.NewCall] gives the batch-level call
// for completion queues. The other styles are the packages async, reactor and
// future below; they stand on [Channel.Prepare].
//
//	Unary, ServerStream, …        cq.Queue
//	        |                        |
//	        v                        v
//	  Channel.NewCall -----------> call.Call
//	        | Open: pick, or wait       ^ Bind
//	        v                           |
//	   subchannel ---- dial ----> transport.Conn
//
// This is a channel with one connection, to the first address of its target that
// works. With [WithBalancing] or [WithConnections] it has several, and with [WithResolver]
// it follows what a resolver reports:
//
//	Channel          ^ READY: choose among these connections
//	      | connect  |
//	      v          |
//	 rotation <---- lookup: the target's addresses <---- resolver.Resolver
//	   |   |   |
//	 subchannels, each of one address, or of all
//
// # For whom knows grpc-go
//
// [NewChannel] is grpc.NewClient, and connects as late. Its options are those of a dial, its [CallOption]s
// those of a call; [WithDefaultCallOptions] and [WithMethodOptions] set them for many. Contexts carry
// deadlines, cancels and values, but no metadata: that is [WithMetadata]. Interceptors, stats handlers and
// credentials of calls are all a call.Filter ([WithFilter]). Errors are *cqrpc.Error: cqrpc.CodeOf and
// cqrpc.StatusOf take what package status takes. A service config is options, see package serviceconfig.
// The README has the whole table, and package grpccompat runs the code that was generated for grpc-go.
//
// # For styles
//
// [Channel.Prepare] and [Prepared] are what the packages below stand on, and what a style of your own would.
// Applications do not need them. [Invoke] is for adapters of generated code.
//
// # Where to find what
//
//	channel, options, target, balancing               a Channel and its settings
//	state, watch                                      connectivity states, and waiting for them
//	newcall, callopts, opener, waiting                a call is made; it gets a stream, or waits for one
//	methodnames                                       options of methods, and how methods are named in them
//	retry                                             which calls are repeated
//	unary                                             the sync style: calls that are one batch
//	stream, serverstream, clientstream, bidistream    the sync style: streams
//	style, report                                     the seam for all other styles; HeaderTo and the like
//	balancer, picker                                  the seams between a channel and its connections
//	subchannel, round, attempt, connhandler           one connection: made, kept, lost, and made again
//	healthcheck, healthcall                           is a connection's server healthy
//	rotation, lookup, addresses                       several connections; a name's addresses
//	proxy, tunnel                                     who is reached through the environment's proxy, and how
//	task, backoff, pingpace                           who tries again, when, and when to ping
//	connset                                           every connection until its end
//
// # One message to many streams
//
// A message that goes out on many streams is encoded once with [call.Encode] and sent
// with SendBuffer, which every style has, by that name or a similar one.
//
// # Concurrency
//
// A Channel is safe for concurrent use by any number of
// goroutines; one is enough for a target. Stream objects say for themselves
// which of their methods may run concurrently.
package client
