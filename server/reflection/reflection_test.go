package reflection_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/gofeaturespb" // a file that imports another and extends its message

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reflection"
)

// Two files of the global registry.
const (
	features    = "google/protobuf/go_features.proto"
	descriptors = "google/protobuf/descriptor.proto"
)

// The codes of error responses.
const (
	invalid = int32(cqrpc.CodeInvalidArgument)
	missing = int32(cqrpc.CodeNotFound)
)

func TestFiles(t *testing.T) {
	for name, req := range map[string]*pb.ServerReflectionRequest{
		"path":                          byPath(features),
		"message":                       bySymbol("pb.GoFeatures"),
		"field":                         bySymbol("pb.GoFeatures.legacy_unmarshal_json_enum"),
		"enum":                          bySymbol("pb.GoFeatures.APILevel"),
		"value of an enum":              bySymbol("pb.GoFeatures.API_OPAQUE"),
		"extension":                     bySymbol("pb.go"),
		"extension, by what it extends": byExtension("google.protobuf.FeatureSet", 1002),
		"with a host":                   {Host: "h", MessageRequest: byPath(features).GetMessageRequest()},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.inquire(v1).wantFiles("a file and what it imports", req, features, descriptors)
				s.inquire(v1alpha).wantFiles("it is the same service", req, features, descriptors)
			})
		})
	}
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantFiles("a service", bySymbol("cqrpc.reflection.v1.ServerReflection"), ourPath)
		q.wantFiles("a method", bySymbol("cqrpc.reflection.v1.ServerReflection.ServerReflectionInfo"), ourPath)
	})
}

// ourPath is the generated code of the service itself.
const ourPath = "internal/gen/reflectionpb/cqrpc_reflection.proto"

// What the stream has had is not sent again, unless it is asked for.
func TestFilesAreSentOnce(t *testing.T) {
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantFiles("nothing was sent", byPath(descriptors), descriptors)
		q.wantFiles("the import was", byPath(features), features)
		q.wantFiles("it is what is asked for", byPath(descriptors), descriptors)
		s.inquire(v1).wantFiles("another stream", byPath(features), features, descriptors)
	})
}

func TestExtensionNumbers(t *testing.T) {
	play(t, func(s *scene) {
		q := s.inquire(v1)
		for message, want := range map[string][]int32{"google.protobuf.FeatureSet": {1002}, "pb.GoFeatures": nil} {
			res := q.ask(extensionsOf(message)).GetAllExtensionNumbersResponse()
			if res == nil || res.GetBaseTypeName() != message || !slices.Equal(res.GetExtensionNumber(), want) {
				s.Errorf("extensions of %s: %v, want %d", message, res, want)
			}
		}
	})
}

// What is not there is an answer, too, and so is a request that asks nothing.
func TestErrors(t *testing.T) {
	for _, m := range []info{v1, v1alpha} {
		play(t, func(s *scene) {
			q := s.inquire(m)
			q.wantError("no such file", byPath("a.proto"), missing, `unknown file "a.proto"`)
			q.wantError("no file", byPath(""), missing, `unknown file ""`)
			q.wantError("no such name", bySymbol("a.B"), missing, `unknown symbol "a.B"`)
			q.wantError("no name", bySymbol(".."), missing, `unknown symbol ".."`)
			q.wantError("a package declares nothing", bySymbol("google.protobuf"), missing, `unknown symbol "google.protobuf"`)
			q.wantError("no such number", byExtension("google.protobuf.FeatureSet", 7), missing,
				`unknown extension 7 of "google.protobuf.FeatureSet"`)
			q.wantError("no such message", byExtension("a.B", -1), missing, `unknown extension -1 of "a.B"`)
			q.wantError("no such message", extensionsOf("a.B"), missing, `unknown message "a.B"`)
			q.wantError("no message", extensionsOf("pb.GoFeatures.APILevel"), missing, `unknown message "pb.GoFeatures.APILevel"`)
			q.wantError("nothing", &pb.ServerReflectionRequest{}, invalid, "the request asks nothing that is known here")
			q.wantError("only so much is repeated", bySymbol(strings.Repeat("x", 1000)), missing,
				`unknown symbol "`+strings.Repeat("x", 256)+`"`)
			q.wantFiles("the stream goes on", byPath(descriptors), descriptors)
			if err := q.stream.CloseSend(); err != nil {
				s.Error(err)
			}
			if _, err := q.stream.Recv(); err != io.EOF {
				s.Errorf("the end is %v, want EOF", err)
			}
		})
	}
}

func TestServices(t *testing.T) {
	s := server.New()
	if err := reflection.Register(s); err != nil {
		t.Fatal(err)
	}
	if err := reflection.Register(s); err == nil {
		t.Error("it was registered twice")
	}
	play(t, func(s *scene) {
		for _, m := range []info{v1, v1alpha} {
			var got []string
			for _, r := range s.inquire(m).ask(services()).GetListServicesResponse().GetService() {
				got = append(got, r.GetName())
			}
			if want := s.server.Services(); !slices.Equal(got, want) || len(want) != 2 {
				s.Errorf("services %q, want %q", got, want)
			}
		}
	})
}

// The services of the library are described by gRPC's names, although the messages in
// the binary have others.
func TestOwnServices(t *testing.T) {
	for path, want := range map[string][]string{
		"grpc/health/v1/health.proto": {
			"grpc.health.v1.Health.Check(grpc.health.v1.HealthCheckRequest) grpc.health.v1.HealthCheckResponse",
			"grpc.health.v1.Health.List(grpc.health.v1.HealthListRequest) grpc.health.v1.HealthListResponse",
			"grpc.health.v1.Health.Watch(grpc.health.v1.HealthCheckRequest) stream grpc.health.v1.HealthCheckResponse",
		},
		"grpc/reflection/v1/reflection.proto": {
			"grpc.reflection.v1.ServerReflection.ServerReflectionInfo(stream grpc.reflection.v1.ServerReflectionRequest)" +
				" stream grpc.reflection.v1.ServerReflectionResponse",
		},
		"grpc/reflection/v1alpha/reflection.proto": {
			"grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo" +
				"(stream grpc.reflection.v1alpha.ServerReflectionRequest)" +
				" stream grpc.reflection.v1alpha.ServerReflectionResponse",
		},
	} {
		play(t, func(s *scene) {
			q := s.inquire(v1)
			files := q.wantFiles("by path", byPath(path), path)
			f, err := protodesc.NewFile(files[0], nil) // every name that is referred to is there
			if err != nil {
				s.Fatal(err)
			}
			service := f.Services().Get(0)
			q.wantFiles("by name", bySymbol(string(service.FullName())), path)
			q.wantFiles("by name", bySymbol(string(f.Messages().Get(0).FullName())), path)
			var got []string
			for i := range service.Methods().Len() {
				got = append(got, signature(service.Methods().Get(i)))
			}
			if !slices.Equal(got, want) {
				s.Errorf("%s has %q, want %q", path, got, want)
			}
			if text := files[0].String(); strings.Contains(text, "cqrpc") {
				s.Errorf("our names are in %s", text)
			}
		})
	}
	if _, err := protoregistry.GlobalFiles.FindDescriptorByName("grpc.health.v1.Health"); err == nil {
		t.Error("grpc-go is in this binary, so the test proves nothing")
	}
}

func signature(m protoreflect.MethodDescriptor) string {
	stream := func(is bool) string {
		if is {
			return "stream "
		}
		return ""
	}
	return fmt.Sprintf("%s(%s%s) %s%s", m.FullName(), stream(m.IsStreamingClient()), m.Input().FullName(),
		stream(m.IsStreamingServer()), m.Output().FullName())
}

// library is files of an application that are not generated code: one of the given size
// for each path, which imports all that follow.
func library(t *testing.T, size int, paths ...string) *protoregistry.Files {
	t.Helper()
	files := new(protoregistry.Files)
	for i, path := range slices.Backward(paths) {
		f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: &path, Package: proto.String("app" + fmt.Sprint(i)), Dependency: paths[i+1:],
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M" + strings.Repeat("x", size))}},
		}, files)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.RegisterFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// noExtensions is a registry of nothing.
type noExtensions struct{ *protoregistry.Types }

func TestResolvers(t *testing.T) {
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantFiles("of the application's", bySymbol("app1.M"), "b")
		q.wantError("the default is not asked", byPath(features), missing, fmt.Sprintf("unknown file %q", features))
		q.wantFiles("the library's own are", bySymbol("grpc.health.v1.Health"), "grpc/health/v1/health.proto")
		q.wantError("nor here", byExtension("google.protobuf.FeatureSet", 1002), missing,
			`unknown extension 1002 of "google.protobuf.FeatureSet"`)
	}, reflection.WithFiles(library(t, 0, "a", "b")), reflection.WithExtensions(noExtensions{}))
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantFiles("nil is the default", byExtension("google.protobuf.FeatureSet", 1002), features, descriptors)
		q.wantFiles("here, too", byPath(descriptors), descriptors)
	}, reflection.WithFiles(nil), reflection.WithExtensions(nil))
}

// placeholders is a registry whose files import one that it does not have.
func placeholders(t *testing.T) *protoregistry.Files {
	t.Helper()
	f, err := protodesc.FileOptions{AllowUnresolvable: true}.New(&descriptorpb.FileDescriptorProto{
		Name: proto.String("half"), Dependency: []string{"not there"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files := new(protoregistry.Files)
	if err := files.RegisterFile(f); err != nil {
		t.Fatal(err)
	}
	return files
}

func TestImportsThatAreNotThere(t *testing.T) {
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantFiles("as much as there is", byPath("half"), "half")
		q.wantError("it is not there", byPath("not there"), missing, `unknown file "not there"`)
	}, reflection.WithFiles(placeholders(t)))
}

// hollow is a resolver that has, of everything, a placeholder: what stands for a name that
// is used and was not found.
type hollow struct {
	file    protoreflect.FileDescriptor
	message protoreflect.Descriptor
}

func (h hollow) FindFileByPath(string) (protoreflect.FileDescriptor, error) { return h.file, nil }
func (h hollow) FindDescriptorByName(protoreflect.FullName) (protoreflect.Descriptor, error) {
	return h.message, nil
}

func TestPlaceholders(t *testing.T) {
	f, err := protodesc.FileOptions{AllowUnresolvable: true}.New(&descriptorpb.FileDescriptorProto{
		Name: proto.String("half"), Dependency: []string{"not there"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("f"), Number: proto.Int32(1), TypeName: proto.String(".not.There"),
			Type:  descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := hollow{f.Imports().Get(0).FileDescriptor, f.Messages().Get(0).Fields().Get(0).Message()}
	if !h.file.IsPlaceholder() || !h.message.IsPlaceholder() {
		t.Fatal("these are no placeholders")
	}
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantError("it has no contents", byPath("not there"), missing, `unknown file "not there"`)
		q.wantError("it is in no file", bySymbol("not.There"), missing, `unknown symbol "not.There"`)
		q.wantError("nobody knows", extensionsOf("not.There"), missing, `unknown message "not.There"`)
		q.wantFiles("the library's own are there", bySymbol("grpc.health.v1.Health"), "grpc/health/v1/health.proto")
	}, reflection.WithFiles(h))
}

// A file is visited once, however many ways lead to it: here they are 2^39.
func TestManyWaysToAFile(t *testing.T) {
	var paths []string
	for i := range 40 {
		paths = append(paths, fmt.Sprint(i))
	}
	play(t, func(s *scene) {
		s.inquire(v1).wantFiles("each is there", byPath("0"), paths...)
	}, reflection.WithFiles(library(t, 0, paths...)))
}

// An answer does not grow past what clients take because of what was not asked for.
func TestLargeAnswers(t *testing.T) {
	paths := []string{"a", "b", "c", "d", "e"}
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantFiles("three of 300 KiB fit into 1 MiB", byPath("a"), "a", "b", "c")
		q.wantFiles("the rest can be asked for", byPath("d"), "d", "e")
		q.wantFiles("what was sent makes room", byPath("a"), "a")
	}, reflection.WithFiles(library(t, 300<<10, paths...)))
	play(t, func(s *scene) {
		s.inquire(v1).wantFiles("what was asked for is sent", byPath("a"), "a")
	}, reflection.WithFiles(library(t, 2<<20, paths...)))
}

// A request comes back with its answer, so it must be small.
func TestLargeRequests(t *testing.T) {
	unknown := protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), make([]byte, 8<<10))
	hidden := byPath(descriptors)
	hidden.ProtoReflect().SetUnknown(unknown)
	for name, req := range map[string]*pb.ServerReflectionRequest{
		"name": bySymbol(strings.Repeat("x", 8<<10)), "host": {Host: strings.Repeat("x", 8<<10)}, "unknown field": hidden,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				q := s.inquire(v1)
				q.wantError("as large as may be", bySymbol(strings.Repeat("x", 8<<10-3)), missing,
					`unknown symbol "`+strings.Repeat("x", 256)+`"`)
				if err := q.stream.Send(req); err != nil {
					s.Fatal(err)
				}
				if _, err := q.stream.Recv(); cqrpc.CodeOf(err) != cqrpc.CodeInvalidArgument {
					s.Errorf("the end is %v, want INVALID_ARGUMENT", err)
				}
			})
		})
	}
}

// counted counts what it is asked.
type counted struct {
	*protoregistry.Files
	asked atomic.Int32
}

func (c *counted) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	c.asked.Add(1)
	return c.Files.FindFileByPath(path)
}

// A client that does not take its answers gets no work done.
func TestClientThatDoesNotRead(t *testing.T) {
	c := &counted{Files: protoregistry.GlobalFiles}
	play(t, func(s *scene) {
		nc, err := s.net.Dial(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		p := h2peer.New(s.T, nc, h2peer.Client)
		p.Greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		p.Ignore(http2.FrameWindowUpdate, http2.FramePing)
		p.Request(1, v1.Name)
		b, err := proto.Marshal(byPath(descriptors))
		if err != nil {
			s.Fatal(err)
		}
		const requests = 100
		for i := range requests {
			p.WriteMessage(1, i == requests-1, b)
		}
		p.WantResponse("it is accepted", 1)
		synctest.Wait()
		if n := c.asked.Load(); n != 1 {
			s.Errorf("%d requests were looked at", n)
		}
		p.WriteWindowUpdate(0, 1<<30)
		p.WriteWindowUpdate(1, 1<<30)
		p.Until("the end", func(f h2peer.Frame) bool { return f.Value("grpc-status") == "0" })
		if n := c.asked.Load(); n != requests {
			s.Errorf("%d requests were looked at, want %d", n, requests)
		}
	}, reflection.WithFiles(c))
}

// A client that goes away ends its stream, whatever it is about.
func TestClientThatGoesAway(t *testing.T) {
	play(t, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		stream, err := client.BidiStream(ctx, s.ch, v1)
		if err != nil {
			s.Fatal(err)
		}
		q := &inquirer{s.T, stream}
		q.wantFiles("it is there", byPath(descriptors), descriptors)
		cancel()
		if _, err := q.stream.Recv(); cqrpc.CodeOf(err) != cqrpc.CodeCanceled {
			s.Errorf("the end is %v", err)
		}
		synctest.Wait()
		if text := s.server.String(); !strings.Contains(text, "handling 0") {
			s.Error(text)
		}
	})
}

// A stream that rests does not hold up a server that is shut down.
func TestServerThatGoesAway(t *testing.T) {
	play(t, func(s *scene) {
		q := s.inquire(v1alpha)
		q.wantFiles("it is there", byPath(descriptors), descriptors)
		if err := s.server.Shutdown(s.Context()); err != nil {
			s.Error(err)
		}
		if _, err := q.stream.Recv(); cqrpc.CodeOf(err) != cqrpc.CodeUnavailable {
			s.Errorf("the end is %v", err)
		}
	})
}

var errStuck = errors.New("stuck")

// stuck is a resolver that fails at everything.
type stuck struct{}

func (stuck) FindFileByPath(string) (protoreflect.FileDescriptor, error) { return nil, errStuck }
func (stuck) FindDescriptorByName(protoreflect.FullName) (protoreflect.Descriptor, error) {
	return nil, errStuck
}

func TestResolverThatFails(t *testing.T) {
	play(t, func(s *scene) {
		q := s.inquire(v1)
		q.wantError("it is not found", byPath(features), missing, fmt.Sprintf("unknown file %q", features))
		q.wantError("it is not found", bySymbol("pb.go"), missing, `unknown symbol "pb.go"`)
	}, reflection.WithFiles(stuck{}))
}
