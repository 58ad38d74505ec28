// Package interop is the client's half of the gRPC interop tests (grpc/grpc,
// doc/interop-test-descriptions.md): every case that needs no cloud, written
// once and called through any caller of package parity, so in any style.
//
//	Case ──typed messages──► Client ──bytes──► parity.Caller ──► peer
//
// A case that the peer does not pass returns an error that says what came and
// what should have.
//
// Concurrency: a Client belongs to one goroutine; some cases start their own and
// wait for them.
package interop
