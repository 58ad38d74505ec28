// Cqrpc is the smallest server of the Greeter, in the sync style and without
// TLS. Its size is measured, see docs/performance.md.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

type greeter struct{}

// SayHello implements pb.GreeterSyncServer.
func (greeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	s := server.New()
	if err := pb.RegisterGreeterSyncServer(s, greeter{}); err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(lis.Addr())
	return s.Serve(lis)
}
