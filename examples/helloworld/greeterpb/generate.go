// Package greeterpb is the messages of the Greeter in gRPC's tutorials.
package greeterpb

//go:generate env GOWORK=off go -C ../../../internal/tools run ./genproto ../.. examples/helloworld/greeterpb/greeter.proto
