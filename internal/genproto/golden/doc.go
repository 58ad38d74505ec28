// Package golden holds .proto files that are hard on a generator, and what is
// generated from them. Each directory is a Go package that is built, vetted and
// linked into the test, some together with what protoc-gen-go-grpc generates. A
// change of the generator shows as a change of these files:
//
//	go test ./golden -update
//
// The go command does not know that the tests depend on the generator: after a
// change there, only -update or -count=1 runs them again.
package golden
