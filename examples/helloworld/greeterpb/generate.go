// Package greeterpb is the messages of the Greeter in gRPC's tutorials.
package greeterpb

//go:generate go -C ../../../internal/genproto run . ../.. examples/helloworld/greeterpb/greeter.proto
