// Package testservice is grpc.testing.TestService, the service of the gRPC
// interop tests (grpc/grpc, doc/interop-test-descriptions.md), written once and
// put on servers of every style by package parity.
//
// Concurrency: its functions are called concurrently, once per call.
package testservice
