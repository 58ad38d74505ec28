package main

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
)

// sayHello is the one method of the Greeter. Generated code will declare it.
var sayHello = call.Method[greeterpb.HelloRequest, greeterpb.HelloReply]{
	Name: "/helloworld.Greeter/SayHello", Shape: call.Unary,
}

// greeting is what every server answers.
func greeting(req *greeterpb.HelloRequest) *greeterpb.HelloReply {
	return &greeterpb.HelloReply{Message: "Hello " + req.GetName()}
}
