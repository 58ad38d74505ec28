// Package reflection is gRPC's server reflection service
// (github.com/grpc/grpc/blob/master/doc/server-reflection.md): with it tools such as
// grpcurl list what a server serves, describe it, and call it without .proto files.
//
//	err := reflection.Register(s) // before Serve, before or after the services
//
// It is served as grpc.reflection.v1.ServerReflection and, for tools that know no
// other, as grpc.reflection.v1alpha.ServerReflection.
//
//	list_services                   server.Server.Services: what is registered, in any style
//	file_by_filename          ─┐
//	file_containing_symbol     ├──► WithFiles, else all generated code of the binary,
//	                          ─┘    else grpc.health.v1 and grpc.reflection of this library
//	file_containing_extension ─┬──► WithExtensions, else all generated code of the binary
//	all_extension_numbers_of_type
//
// A file comes with all that it imports, except what the stream was sent before and what
// would make the answer larger than 1 MiB; clients ask for what they miss. The answer for
// what does not exist is an error_response with NOT_FOUND, for a request that asks nothing
// one with INVALID_ARGUMENT; the stream goes on.
//
// Whoever can reach the server can read all definitions in the binary, not only those of
// what is served.
//
// # Concurrency
//
// A stream is a reactor (package server/reactor) and has no goroutine. It reads a request
// when the last has been answered, so it holds one, of at most 8 KiB, and one answer.
// Resolvers are asked by many streams at the same time.
//
// A stream ends when its client ends it, and with UNAVAILABLE when Server.Shutdown begins.
package reflection
