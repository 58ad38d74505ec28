// Package benchmark measures cqrpc next to grpc-go on the same machine, in the
// same process layout and with the same payloads. It is a module of its own so
// that the baseline never enters the dependency list of a user of the library.
package benchmark
