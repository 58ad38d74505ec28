// Package testservice is grpc.testing.TestService, the service of the gRPC
// interop tests (grpc/grpc, doc/interop-test-descriptions.md), written once and
// put on servers of either style.
//
//	Service ──► Handlers ──────► server.Server, sync style
//	        └─► AttachQueue ───► server.Server, completion queues
//
// Concurrency: the functions of a Service are called concurrently, once per
// call. A Service must not be changed while it is served.
package testservice
