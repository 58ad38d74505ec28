// Package service is grpc.testing.BenchmarkService as every client and server
// here speaks it: its methods, what is asked and what is answered. Everything may
// be called by any goroutine.
package service

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
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
	Reuse   bool // raw, queue, reactor: receive each message into the memory of the one before
	Workers int  // grpc-go: NumStreamWorkers; 0: a goroutine per call

	TLS *tls.Config // nil: plaintext
}

// Request asks for as many bytes as it brings. All requests of a size are one message,
// not to be changed, so that a stream that is held idle need not hold what it sends.
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

// Encoded is m as it goes over the wire, to be sent again and again.
func Encoded(m proto.Message) *call.Buffer {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err) // of messages made here
	}
	return call.NewBuffer(b)
}

// CheckEncoded is Check of an answer that nobody unmarshals.
func CheckEncoded(b []byte, size int) error {
	body := field(field(b, 1), 2) // SimpleResponse.payload, Payload.body
	if len(body) != size {
		return fmt.Errorf("a response of %d bytes, asked for %d", len(body), size)
	}
	return nil
}

// field returns the first field of b with a number, which has a length; nil if
// there is none.
func field(b []byte, number protowire.Number) []byte {
	for len(b) > 0 {
		got, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if got == number && kind == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			return v
		}
		if n = protowire.ConsumeFieldValue(got, kind, b); n < 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}

// Check reports an answer that has not the size that was asked for.
func Check(res *pb.SimpleResponse, size int) error {
	if n := len(res.GetPayload().GetBody()); n != size {
		return fmt.Errorf("a response of %d bytes, asked for %d", n, size)
	}
	return nil
}
