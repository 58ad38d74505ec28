package conformance

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	grpcgoreflection "google.golang.org/grpc/reflection"
	v1pb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	v1alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	_ "google.golang.org/grpc/reflection/grpc_testing" // files with extensions
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	ourpb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
	"github.com/cqrpc/cqrpc/server/reflection"
)

// inquiry is a stream of a reflection client, in the words of grpc-go's v1.
type inquiry func(*v1pb.ServerReflectionRequest) (*v1pb.ServerReflectionResponse, error)

// inquirers are the clients: grpc-go's and ours, of the two versions.
var inquirers = map[string]func(t *testing.T, address string) inquiry{
	"grpc-go v1": func(t *testing.T, address string) inquiry {
		stream, err := v1pb.NewServerReflectionClient(connectGRPCGo(t, address)).ServerReflectionInfo(parity.Within(t))
		parity.Want(t, "ServerReflectionInfo", err)
		return ask(stream.Send, stream.Recv)
	},
	"grpc-go v1alpha": func(t *testing.T, address string) inquiry {
		stream, err := v1alphapb.NewServerReflectionClient(connectGRPCGo(t, address)).ServerReflectionInfo(parity.Within(t))
		parity.Want(t, "ServerReflectionInfo", err)
		return ask(stream.Send, stream.Recv)
	},
	"cqrpc v1": func(t *testing.T, address string) inquiry {
		return ourInquiry(t, address, v1pb.ServerReflection_ServerReflectionInfo_FullMethodName)
	},
	"cqrpc v1alpha": func(t *testing.T, address string) inquiry {
		return ourInquiry(t, address, v1alphapb.ServerReflection_ServerReflectionInfo_FullMethodName)
	},
}

func ourInquiry(t *testing.T, address, method string) inquiry {
	m := call.Method[ourpb.ServerReflectionRequest, ourpb.ServerReflectionResponse]{Name: method, Shape: call.BidiStream}
	stream, err := client.BidiStream(parity.Within(t), connectOurs(t, address), m)
	parity.Want(t, "BidiStream", err)
	return ask(stream.Send, stream.Recv)
}

// message is what a pointer to a struct of generated code is.
type message[T any] interface {
	*T
	proto.Message
}

// ask makes an inquiry of a stream whose messages have the same bytes and other names.
func ask[Req, Res any, R message[Req], S message[Res]](send func(R) error, receive func() (S, error)) inquiry {
	return func(question *v1pb.ServerReflectionRequest) (*v1pb.ServerReflectionResponse, error) {
		req, answer := R(new(Req)), new(v1pb.ServerReflectionResponse)
		if err := errors.Join(recast(question, req), send(req)); err != nil {
			return nil, err
		}
		res, err := receive()
		if err != nil {
			return nil, err
		}
		return answer, recast(res, answer)
	}
}

// recast reads the bytes of one message as another. None may be unknown to it.
func recast(from, to proto.Message) error {
	b, err := proto.Marshal(from)
	if err == nil {
		err = proto.Unmarshal(b, to)
	}
	if err == nil && len(to.ProtoReflect().GetUnknown()) > 0 {
		err = errors.New("there are unknown fields")
	}
	return err
}

// ourself serves our reflection, in a binary that has grpc-go's as well.
func ourself(t *testing.T, opts ...reflection.Option) (address string) {
	s := server.New()
	parity.Want(t, "Register", reflection.Register(s, opts...))
	parity.Want(t, "Register", health.Register(s, health.New()))
	return serveOurs(t, s)
}

// themselves serves grpc-go's.
func themselves(t *testing.T) (address string) {
	s := grpc.NewServer()
	grpcgoreflection.Register(s)
	healthpb.RegisterHealthServer(s, healthpb.UnimplementedHealthServer{})
	return serveTheirs(t, s)
}

// questions about the binary, to which every server has the same answer.
var questions = map[string]*v1pb.ServerReflectionRequest{
	"services":                {MessageRequest: &v1pb.ServerReflectionRequest_ListServices{}},
	"file":                    {Host: "h", MessageRequest: &v1pb.ServerReflectionRequest_FileByFilename{FileByFilename: extending}},
	"no file":                 {MessageRequest: &v1pb.ServerReflectionRequest_FileByFilename{FileByFilename: "no"}},
	"service":                 aboutSymbol("grpc.testing.SearchService"),
	"method":                  aboutSymbol("grpc.testing.SearchService.StreamingSearch"),
	"message":                 aboutSymbol("grpc.testing.SearchResponse.Result"),
	"field":                   aboutSymbol("grpc.testing.SearchResponse.results"),
	"enum":                    aboutSymbol("grpc.health.v1.HealthCheckResponse.ServingStatus"),
	"value":                   aboutSymbol("grpc.health.v1.HealthCheckResponse.SERVING"),
	"extension":               aboutSymbol("grpc.testing.bar"),
	"package":                 aboutSymbol("grpc.testing"),
	"no symbol":               aboutSymbol("grpc.testing.No"),
	"the same again":          aboutSymbol("grpc.testing.SearchService"),
	"file of an extension":    aboutExtension("grpc.testing.ToBeExtended", 17),
	"no extension":            aboutExtension("grpc.testing.ToBeExtended", 18),
	"extension of nothing":    aboutExtension("grpc.testing.No", 17),
	"extensions":              aboutExtensions("grpc.testing.ToBeExtended"),
	"no extensions":           aboutExtensions("grpc.testing.SearchRequest"),
	"extensions of nothing":   aboutExtensions("grpc.testing.No"),
	"names are not to be cut": aboutSymbol(".grpc.testing.SearchService"),
}

// extending is a file that imports two and has extensions.
const extending = "reflection/grpc_testing/proto2_ext.proto"

func aboutSymbol(name string) *v1pb.ServerReflectionRequest {
	return &v1pb.ServerReflectionRequest{
		MessageRequest: &v1pb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
	}
}

func aboutExtension(message string, number int32) *v1pb.ServerReflectionRequest {
	return &v1pb.ServerReflectionRequest{MessageRequest: &v1pb.ServerReflectionRequest_FileContainingExtension{
		FileContainingExtension: &v1pb.ExtensionRequest{ContainingType: message, ExtensionNumber: number},
	}}
}

func aboutExtensions(message string) *v1pb.ServerReflectionRequest {
	return &v1pb.ServerReflectionRequest{
		MessageRequest: &v1pb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: message},
	}
}

// TestReflection asks a server of ours and one of grpc-go everything, with both clients
// and in both versions: the answers are the same, but for the words of an error. That it
// starts at all says that both can be in one binary.
func TestReflection(t *testing.T) {
	for name, inquire := range inquirers {
		t.Run(name, func(t *testing.T) {
			ours, theirs := inquire(t, ourself(t)), inquire(t, themselves(t))
			for what, question := range questions {
				t.Run(what, func(t *testing.T) {
					got, err := ours(question)
					parity.Want(t, "our answer", err)
					want, err := theirs(question)
					parity.Want(t, "their answer", err)
					for _, answer := range []*v1pb.ServerReflectionResponse{got, want} {
						comparable(answer)
					}
					if !proto.Equal(got, want) {
						t.Errorf("ours is %v, theirs %v", got, want)
					}
				})
			}
		})
	}
}

// comparable takes out of an answer what servers may do as they like.
func comparable(res *v1pb.ServerReflectionResponse) {
	if e := res.GetErrorResponse(); e != nil {
		e.ErrorMessage = ""
	}
	if f := res.GetFileDescriptorResponse(); f != nil {
		slices.SortFunc(f.FileDescriptorProto, bytes.Compare)
	}
}

// A request that asks nothing ends grpc-go's stream and is an answer of ours.
func TestReflectionOfNothing(t *testing.T) {
	for name, inquire := range inquirers {
		t.Run(name, func(t *testing.T) {
			ours := inquire(t, ourself(t))
			for range 2 {
				res, err := ours(&v1pb.ServerReflectionRequest{Host: "h"})
				if err != nil || codes.Code(res.GetErrorResponse().GetErrorCode()) != codes.InvalidArgument {
					t.Errorf("got %v, %v; want INVALID_ARGUMENT", res, err)
				}
			}
		})
	}
}

// What our services say they are, where grpc-go is not there to say it, is what grpc-go
// says of them: so our messages are gRPC's in all but name.
func TestOwnDescriptions(t *testing.T) {
	ask := inquirers["grpc-go v1"](t, ourself(t, reflection.WithFiles(new(protoregistry.Files))))
	for _, theirs := range []protoreflect.FileDescriptor{
		healthpb.File_grpc_health_v1_health_proto, v1pb.File_grpc_reflection_v1_reflection_proto,
		v1alphapb.File_grpc_reflection_v1alpha_reflection_proto,
	} {
		res, err := ask(&v1pb.ServerReflectionRequest{
			MessageRequest: &v1pb.ServerReflectionRequest_FileByFilename{FileByFilename: theirs.Path()},
		})
		parity.Want(t, theirs.Path(), err)
		got, want := new(descriptorpb.FileDescriptorProto), protodesc.ToFileDescriptorProto(theirs)
		files := res.GetFileDescriptorResponse().GetFileDescriptorProto()
		if len(files) != 1 {
			t.Fatalf("%s: got %v", theirs.Path(), res)
		}
		parity.Want(t, "Unmarshal", proto.Unmarshal(files[0], got))
		for _, f := range []*descriptorpb.FileDescriptorProto{got, want} {
			f.Options = nil // packages of languages
			slices.SortFunc(f.MessageType, func(a, b *descriptorpb.DescriptorProto) int {
				return strings.Compare(a.GetName(), b.GetName())
			})
		}
		if !proto.Equal(got, want) {
			t.Errorf("we say\n%v\nthey say\n%v", got, want)
		}
	}
}
