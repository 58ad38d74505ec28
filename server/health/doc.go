// Package health is gRPC's health checking service for servers
// (github.com/grpc/grpc/blob/master/doc/health-checking.md, grpc.health.v1.Health):
// load balancers, orchestrators and clients ask it whether a service can serve.
//
//	h := health.New()                                        // "", the server as a whole, is Serving
//	err := health.Register(s, h)                             // before Serve
//	h.SetServingStatus("shop.Orders", health.NotServing)     // whenever it changes
//
//	SetServingStatus ─┐                       ┌─► Check: the status, or NOT_FOUND
//	Shutdown, Resume ─┴─► status by service ──┼─► List:  all of them
//	                                          └─► Watch: the status, and each change of it
//
// A client that watches a service nobody has set gets SERVICE_UNKNOWN, and the status
// as soon as somebody sets one. A client that reads more slowly than the status changes
// gets the newest and misses those between.
//
// # The end of a server
//
//	h.Shutdown()           // watchers see NOT_SERVING and go elsewhere
//	err := s.Shutdown(ctx) // ends each Watch, with UNAVAILABLE
//
// Until then a Watch ends when its client ends it. If several servers share a [Server],
// only the Watches of the server that is shut down end.
//
// # Concurrency
//
// All methods of Server are safe for concurrent use and do not block. The service is
// made of reactors (package server/reactor): a client that watches costs memory and
// no goroutine. Server.mu is never held over anything that the library does.
package health
