// Package conformance holds cqrpc against others: grpc-go as the reference
// peer on both ends, and the independent HTTP/2 and gRPC test suites. It is a
// module of its own so that none of them enters the dependency list of a user
// of the library. Its tests use real sockets, on loopback only.
package conformance
