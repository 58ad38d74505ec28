//go:build !vtproto

// Package message is the messages of grpc.testing.BenchmarkService: as protoc-gen-go
// makes them, or, with the build tag vtproto, with the methods of vtprotobuf too. With
// the tag the programs contain no implementation but cqrpc.
package message

import (
	pb "google.golang.org/grpc/interop/grpc_testing"
)

// Payload is what it is in grpc.testing.
type Payload = pb.Payload

// SimpleRequest is what it is in grpc.testing.
type SimpleRequest = pb.SimpleRequest

// SimpleResponse is what it is in grpc.testing.
type SimpleResponse = pb.SimpleResponse
