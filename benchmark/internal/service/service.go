// Package service is grpc.testing.BenchmarkService as every client and server
// here speaks it: its methods, what is asked and what is answered. Everything may
// be called by any goroutine.
package service

import (
	"fmt"
	"net"
	"sync"

	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc/call"
)

// The full names of the methods.
const (
	UnaryName    = "/grpc.testing.BenchmarkService/UnaryCall"
	PingPongName = "/grpc.testing.BenchmarkService/StreamingCall"
	DownName     = "/grpc.testing.BenchmarkService/StreamingFromServer"
	UpName       = "/grpc.testing.BenchmarkService/StreamingFromClient"
)

// The methods as cqrpc's styles take them.
var (
	Unary    = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: UnaryName}
	PingPong = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: PingPongName, Shape: call.BidiStream}
	Down     = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: DownName, Shape: call.ServerStream}
	Up       = call.Method[pb.SimpleRequest, pb.SimpleResponse]{Name: UpName, Shape: call.ClientStream}
)

// What every server here allows, and every client expects.
const (
	MaxStreams = 1_000_000 // per connection
	MaxMessage = 65 << 20  // bytes: a payload of 64 MiB, and what is around it
)

// Server serves the BenchmarkService.
type Server interface {
	// Serve serves lis until Close, and then returns nil.
	Serve(lis net.Listener) error
	// Close ends calls and connections and waits for what the server started.
	Close() error
}

// Setting is what is common to the servers.
type Setting struct {
	Queues  int  // completion queues or pollers; 0: one per processor
	Inline  bool // reactor: react on the engine's goroutine
	Workers int  // grpc-go: NumStreamWorkers; 0: a goroutine per call
}

// Request asks for as many bytes as it brings. Those of a size are one message,
// not to be changed: who holds a stream need not hold what it sends.
func Request(size int) *pb.SimpleRequest {
	m, ok := requests.Load(size)
	if !ok {
		m, _ = requests.LoadOrStore(size, Ask(size, size))
	}
	return m.(*pb.SimpleRequest)
}

var requests sync.Map // by size

// Ask brings up bytes and asks for down.
func Ask(up, down int) *pb.SimpleRequest {
	return &pb.SimpleRequest{ResponseSize: int32(down), Payload: &pb.Payload{Body: make([]byte, up)}}
}

// RequestDown asks for messages of size bytes and brings none.
func RequestDown(size int) *pb.SimpleRequest { return &pb.SimpleRequest{ResponseSize: int32(size)} }

// Answer makes res the answer to req. A request that brings as many bytes as it
// asks for gets its own back, as does one that asks for nothing.
func Answer(res *pb.SimpleResponse, req *pb.SimpleRequest) {
	n := int(req.GetResponseSize())
	if n <= 0 || n == len(req.GetPayload().GetBody()) {
		res.Payload = req.GetPayload()
		return
	}
	res.Payload = &pb.Payload{Body: make([]byte, min(n, MaxMessage))}
}

// Flood is the message that answers req again and again.
func Flood(req *pb.SimpleRequest) *pb.SimpleResponse {
	res := new(pb.SimpleResponse)
	Answer(res, req)
	return res
}

// Check reports an answer that has not the size that was asked for.
func Check(res *pb.SimpleResponse, size int) error {
	if n := len(res.GetPayload().GetBody()); n != size {
		return fmt.Errorf("a response of %d bytes, asked for %d", n, size)
	}
	return nil
}
