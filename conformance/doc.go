// Package conformance holds cqrpc against others: grpc-go as the reference
// peer on both ends, C-core (python3-grpcio), grpc-js, and the independent HTTP/2
// and gRPC test suites. README.md has the table of them. It is a module of its own so that none of them enters the
// dependency list of a user of the library. Its tests use real sockets, on
// loopback only.
//
// The table of scenarios of package parity is run with grpc-go at one end and
// every style of cqrpc at the other, in plaintext and over TLS:
//
//	caller                     link               host
//	grpc-go         ──┬── plaintext, TLS ───┬──►  grpc-go
//	                  └─────────────────────┴──►  cqrpc: batch, sync, queue, reactor, future
//	cqrpc: batch … future ────────────────────►  grpc-go
//
// grpc-go against itself is there to test the scenarios. Its adapters are in
// grpcgo_*_test.go; the service that its own interop cases want is in
// internal/testservice, for hosts of every style, and the same cases for callers
// of every style in internal/interop. Peers that are no Go run a script of
// testdata (peer_test.go) and speak of bytes: internal/envelope takes them from
// the messages of parity.
//
// The services of the library, health and reflection, cross those of grpc-go in
// health_test.go and reflection_test.go, in one binary; grpcurl_test.go has them
// explored by a program.
package conformance
