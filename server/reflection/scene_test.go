package reflection_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reflection"
)

// info is a method of the service.
type info = call.Method[pb.ServerReflectionRequest, pb.ServerReflectionResponse]

// The methods as clients know them, spelled out: a test that shares the names of its
// subject shares its mistakes.
var (
	v1      = info{Name: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Shape: call.BidiStream}
	v1alpha = info{Name: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Shape: call.BidiStream}
)

// scene is a server that describes itself, and a channel to it.
type scene struct {
	*testing.T
	server *server.Server
	net    *memconn.Listener
	ch     *client.Channel
}

// play runs script in a bubble. In the end there must be no goroutine, no buffer and
// no call that is still served.
func play(t *testing.T, script func(s *scene), opts ...reflection.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		leak.Buffers(t)
		s := &scene{T: t, server: server.New(), net: memconn.Listen()}
		if err := reflection.Register(s.server, opts...); err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.server.Serve(s.net) }()
		var err error
		s.ch, err = client.NewChannel("mem.test:1", client.WithInsecure(), client.WithDialer(
			func(ctx context.Context, _, _ string) (net.Conn, error) { return s.net.Dial(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(s.ch.Close(), s.server.Close()); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, server.ErrServerClosed) {
				t.Errorf("Serve returned %v; want ErrServerClosed", err)
			}
		}()
		script(s)
	})
}

// inquirer is a client with one stream.
type inquirer struct {
	*testing.T
	stream *client.BidiStreamCall[pb.ServerReflectionRequest, pb.ServerReflectionResponse]
}

func (s *scene) inquire(m info) *inquirer {
	s.Helper()
	stream, err := client.BidiStream(s.Context(), s.ch, m)
	if err != nil {
		s.Fatal(err)
	}
	return &inquirer{s.T, stream}
}

// ask makes a request and returns its answer, which must have it in it.
func (q *inquirer) ask(req *pb.ServerReflectionRequest) *pb.ServerReflectionResponse {
	q.Helper()
	if err := q.stream.Send(req); err != nil {
		q.Fatal(err)
	}
	res, err := q.stream.Recv()
	if err != nil {
		q.Fatalf("to %v there is no answer: %v", req, err)
	}
	if !proto.Equal(res.GetOriginalRequest(), req) || res.GetValidHost() != req.GetHost() {
		q.Errorf("the answer to %v says it is to %v of %q", req, res.GetOriginalRequest(), res.GetValidHost())
	}
	return res
}

// wantFiles wants an answer to be these files, in this order, and returns them.
func (q *inquirer) wantFiles(why string, req *pb.ServerReflectionRequest, paths ...string) []*descriptorpb.FileDescriptorProto {
	q.Helper()
	res := q.ask(req)
	var files []*descriptorpb.FileDescriptorProto
	var got []string
	for _, b := range res.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(b, f); err != nil {
			q.Fatal(err)
		}
		files, got = append(files, f), append(got, f.GetName())
	}
	if !slices.Equal(got, paths) {
		q.Fatalf("%s: the answer to %v is %q %v, want %q", why, req, got, res.GetErrorResponse(), paths)
	}
	return files
}

// wantError wants an answer to be an error.
func (q *inquirer) wantError(why string, req *pb.ServerReflectionRequest, code int32, message string) {
	q.Helper()
	e := q.ask(req).GetErrorResponse()
	if e == nil || e.GetErrorCode() != code || e.GetErrorMessage() != message {
		q.Errorf("%s: the answer to %v is %v, want %d %q", why, req, e, code, message)
	}
}

// The requests there are.

func byPath(path string) *pb.ServerReflectionRequest {
	return &pb.ServerReflectionRequest{MessageRequest: &pb.ServerReflectionRequest_FileByFilename{FileByFilename: path}}
}

func bySymbol(name string) *pb.ServerReflectionRequest {
	return &pb.ServerReflectionRequest{
		MessageRequest: &pb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
	}
}

func byExtension(message string, number int32) *pb.ServerReflectionRequest {
	return &pb.ServerReflectionRequest{MessageRequest: &pb.ServerReflectionRequest_FileContainingExtension{
		FileContainingExtension: &pb.ExtensionRequest{ContainingType: message, ExtensionNumber: number},
	}}
}

func extensionsOf(message string) *pb.ServerReflectionRequest {
	return &pb.ServerReflectionRequest{
		MessageRequest: &pb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: message},
	}
}

func services() *pb.ServerReflectionRequest {
	return &pb.ServerReflectionRequest{MessageRequest: &pb.ServerReflectionRequest_ListServices{}}
}
