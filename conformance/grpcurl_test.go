package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
	"github.com/cqrpc/cqrpc/server/reflection"
)

// grpcurlBinary finds grpcurl in PATH or where the CI puts its tools.
func grpcurlBinary(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return path
	}
	path, err := filepath.Abs("../.tmp/bin/grpcurl")
	parity.Want(t, "Abs", err)
	if _, err := os.Stat(path); err != nil {
		absent(t, err.Error(), "GOBIN=$PWD/.tmp/bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4")
	}
	return path
}

// grpcurlCases are what somebody does who has a server and no .proto files.
var grpcurlCases = []struct {
	name string
	args []string // ADDRESS is the server's
	want []string // lines of the output
	fail bool
}{
	{"list", []string{"ADDRESS", "list"}, []string{
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"helloworld.Greeter",
	}, false},
	{"list a service", []string{"ADDRESS", "list", "helloworld.Greeter"}, []string{"helloworld.Greeter.SayHello"}, false},
	{"list health", []string{"ADDRESS", "list", "grpc.health.v1.Health"}, []string{
		"grpc.health.v1.Health.Check", "grpc.health.v1.Health.List", "grpc.health.v1.Health.Watch",
	}, false},
	{"describe", []string{"ADDRESS", "describe"}, []string{
		"service Health {", "service Greeter {", "helloworld.Greeter is a service:",
		"grpc.reflection.v1alpha.ServerReflection is a service:",
	}, false},
	{"describe a service", []string{"ADDRESS", "describe", "helloworld.Greeter"}, []string{
		"service Greeter {", "rpc SayHello ( .helloworld.HelloRequest ) returns ( .helloworld.HelloReply );",
	}, false},
	{"describe a method", []string{"ADDRESS", "describe", "helloworld.Greeter.SayHello"}, []string{
		"rpc SayHello ( .helloworld.HelloRequest ) returns ( .helloworld.HelloReply );",
	}, false},
	{"describe a message", []string{"ADDRESS", "describe", ".helloworld.HelloRequest"}, []string{
		"message HelloRequest {", "string name = 1;",
	}, false},
	{"describe health", []string{"ADDRESS", "describe", "grpc.health.v1.Health"}, []string{
		"service Health {", "rpc Check ( .grpc.health.v1.HealthCheckRequest ) returns ( .grpc.health.v1.HealthCheckResponse );",
		"rpc Watch ( .grpc.health.v1.HealthCheckRequest ) returns ( stream .grpc.health.v1.HealthCheckResponse );",
	}, false},
	{"describe an enum", []string{"ADDRESS", "describe", "grpc.health.v1.HealthCheckResponse.ServingStatus"}, []string{
		"enum ServingStatus {", "SERVING = 1;",
	}, false},
	{"describe reflection", []string{"ADDRESS", "describe", "grpc.reflection.v1.ServerReflection"}, []string{
		"service ServerReflection {",
	}, false},
	{"describe nothing", []string{"ADDRESS", "describe", "helloworld.Nobody"}, nil, true},
	{"call", []string{"-d", `{"name": "grpcurl"}`, "ADDRESS", "helloworld.Greeter/SayHello"}, []string{
		`"message": "Hello grpcurl"`,
	}, false},
	{"call with a field that is not there", []string{"-d", `{"nam": "grpcurl"}`, "ADDRESS", "helloworld.Greeter/SayHello"}, nil, true},
	{"check health", []string{"ADDRESS", "grpc.health.v1.Health/Check"}, []string{`"status": "SERVING"`}, false},
	{"check the health of nothing", []string{"-d", `{"service": "x"}`, "ADDRESS", "grpc.health.v1.Health/Check"}, nil, true},
	{"list health's services", []string{"ADDRESS", "grpc.health.v1.Health/List"}, []string{`"status": "SERVING"`}, false},
}

// TestGrpcurl has grpcurl explore and call servers of every style, without .proto files:
// with what the binary knows, in which grpc-go's descriptions of health and reflection
// are, and with the Greeter's file only, so that those two are described by the library.
func TestGrpcurl(t *testing.T) {
	binary := grpcurlBinary(t)
	greeterOnly := new(protoregistry.Files)
	parity.Want(t, "RegisterFile", greeterOnly.RegisterFile(greeterpb.File_examples_helloworld_greeterpb_greeter_proto))
	for style, serve := range greeters {
		for from, opts := range map[string][]reflection.Option{
			"binary": nil, "library": {reflection.WithFiles(greeterOnly)},
		} {
			t.Run(style+" from the "+from, func(t *testing.T) {
				s := server.New()
				parity.Want(t, "Register", reflection.Register(s, opts...))
				serve(t, s)
				parity.Want(t, "Register", health.Register(s, health.New()))
				address := serveOurs(t, s)
				for _, c := range grpcurlCases {
					t.Run(c.name, func(t *testing.T) {
						args := []string{"-plaintext", "-max-time", "60"}
						for _, a := range c.args {
							args = append(args, strings.ReplaceAll(a, "ADDRESS", address))
						}
						out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
						if (err != nil) != c.fail {
							t.Fatalf("%v: %v\n%s", args, err, out)
						}
						wantLines(t, string(out), c.want)
					})
				}
			})
		}
	}
}

// wantLines wants each of these to be a line of the output.
func wantLines(t *testing.T, output string, want []string) {
	t.Helper()
	lines := make(map[string]bool)
	for line := range strings.Lines(output) {
		lines[strings.TrimSpace(line)] = true
	}
	for _, line := range want {
		if !lines[line] {
			t.Errorf("there is no line %q in\n%s", line, output)
		}
	}
}
