// Package conformance holds cqrpc against others: grpc-go as the reference
// peer on both ends, C-core (python3-grpcio), and the independent HTTP/2 and
// gRPC test suites. It is a module of its own so that none of them enters the
// dependency list of a user of the library. Its tests use real sockets, on
// loopback only.
//
// One table of scenarios, scenario_test.go, is run by every client against
// every server, in plaintext and over TLS:
//
//	caller                     link               host
//	grpc-go         ──┐                     ┌──►  grpc-go
//	cqrpc, sync     ──┼── plaintext, TLS ───┼──►  cqrpc, sync
//	cqrpc, queue    ──┘                     └──►  cqrpc, queue
//
// A scenario is a function of a pairing: it starts hosts with a service, dials
// them and asserts what any gRPC pair must do. Behaviour of the service is
// written once, in internal/testservice, and so is the scenario; only the
// adapters in caller_*_test.go and host_*_test.go know who is who. grpc-go
// against itself is in the matrix to test the scenarios.
package conformance
