// Package parity is one table of what any gRPC client and server must do
// together, and what it takes to run it through every style of this library:
// styles of programming may differ in what the application writes, never in
// what a call does.
//
//	caller                                  host
//	batch    ──┐                       ┌──► batch      call.StartBatch alone
//	sync     ──┤                       ├──► sync       client, server
//	queue    ──┼── loopback, TLS or ───┼──► queue      client/async, server/async
//	reactor  ──┤        plaintext      ├──► reactor    client/reactor, server/reactor
//	future   ──┘                       └──► future     client/future, server/future
//
// A Scenario is a function of a Pairing: it starts hosts with a Service, dials
// them and asserts. The behaviour of the service is written once, in blocking Go,
// and so is the scenario; only the adapters (batch_*.go, sync_*.go, queue_*.go,
// reactor_*.go, future_*.go) know a style. An adapter blocks where its style
// does not, but every operation is one of the style's own objects.
//
// The tests of this package run the table on all pairs of styles; package
// conformance runs it with grpc-go at one end, and with grpc-go at both to test
// the table. catalogue_test.go says which test of gRPC's own suites each
// scenario re-expresses.
//
// # Where to find what
//
//	scenario, table, pairing                        a scenario, all of them, and what one is run with
//	caller, host, style                             a client, a server, and the styles that have both
//	service, wish, route                            the service, what a request asks of it, its methods on the wire
//	want                                            what scenarios assert
//	batch, sync, queue, reactor, future             the adapters, one style each
//	context, mount, server, channel, unfinished     what adapters share
//	mixed                                           a server of all styles at once
//	credentials, doorway                            TLS; an address whose server comes and goes
//	encoded, malformed, filter                      scenarios, and what only they need
//	shape, metadata, status, size, compression      scenarios
//	cancel, servercancel, deadline, retry           scenarios
//	flow, concurrency, connection                   scenarios
//
// # Concurrency
//
// The functions of a Service are called concurrently, once per
// call. A Service must not be changed while it is served. One goroutine may send
// on a stream while another receives.
package parity
