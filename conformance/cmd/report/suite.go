package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// suite is a row of the table: tests of one package, perhaps with an environment
// variable.
type suite struct {
	name    string
	tests   string // for -run; "" for all
	where   string
	setting string // NAME=value, "" for none
}

// suites in the order of the table. Read only.
var suites = []suite{
	{"gRPC interop: grpc-go's client, our servers of every style", "^TestReferenceCases$", "./conformance", ""},
	{"gRPC interop: our clients of every style, our servers and grpc-go's", "^TestInterop$", "./conformance", ""},
	{"gRPC interop: code generated for grpc-go, on cqrpc", "^TestInterop$", "./grpccompat", ""},
	{"gRPC interop: interop-client and interop-server in every style", "^TestInteropPrograms$", "./conformance", ""},
	{"C-core (python3-grpcio) as client of every style", "^TestCCoreClient$", "./conformance", ""},
	{"C-core as server of every style", "^TestCCoreServer$", "./conformance", ""},
	{"grpc-js as client of every style", "^TestGRPCJSClient$", "./conformance", ""},
	{"grpc-js as server of every style", "^TestGRPCJSServer$", "./conformance", ""},
	{"connectrpc conformance 1.0.6, server", "^TestConnect$/server$", "./conformance", ""},
	{"connectrpc conformance 1.0.6, client", "^TestConnect$/client$", "./conformance", ""},
	{"connectrpc conformance 1.0.6, both", "^TestConnect$/both$", "./conformance", ""},
	{"the same with br, zstd, deflate and snappy, server", "^TestConnect$/server$", "./conformance", "CQRPC_CONNECT=full"},
	{"the same with br, zstd, deflate and snappy, client", "^TestConnect$/client$", "./conformance", "CQRPC_CONNECT=full"},
	{"the same with br, zstd, deflate and snappy, both", "^TestConnect$/both$", "./conformance", "CQRPC_CONNECT=full"},
	{"h2spec 2.2.1 -S, transport, plaintext and TLS", "^TestH2spec$", "./conformance", ""},
	{"h2spec 2.2.1 -S, gRPC server: all that need no body", "^TestH2specOfServer$", "./conformance", ""},
	{"HPACK against python3-hpack, both ways", "^TestHPACK", "./conformance", ""},
	{"C++ and grpc-rs scenarios, every style and grpccompat with grpc-go", "^TestParity$", "./conformance", ""},
	{"C++ and grpc-rs scenarios, every style with every style", "^TestParity$", "./internal/parity", ""},
	{"health and reflection, ours and grpc-go's", "Health|Reflection|^TestOwnDescriptions$", "./conformance", ""},
	{"grpcurl 1.9.4, with no .proto files, on servers of every style", "^TestGrpcurl$", "./conformance", ""},
	{"TLS, with grpc-go", "TLS|UnknownAuthority", "./conformance", ""},
	{"hostile peers", "", "./conformance/hostile", ""},
	{"HTTP/2 frames that are illegal", "^TestIllegalFrames", "./transport", ""},
	{"recorded sessions of other clients and servers", "^TestRecorded", "./transport", ""},
}

func (s *suite) arguments() []string {
	args := []string{"test"}
	if s.tests != "" {
		args = append(args, "-run", s.tests)
	}
	return append(args, s.where)
}

// command is what a reader may type.
func (s *suite) command() string {
	var words []string
	for _, a := range s.arguments() {
		if strings.ContainsAny(a, "$^|") {
			a = "'" + strings.ReplaceAll(a, "|", `\|`) + "'" // in a table
		}
		words = append(words, a)
	}
	return strings.TrimSpace(s.setting + " go " + strings.Join(words, " "))
}

func (s *suite) run(ctx context.Context) (tally, error) {
	args := append([]string{"test", "-json", "-count=1"}, s.arguments()[1:]...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CQRPC_REQUIRE_PEERS=1")
	if s.setting != "" {
		cmd.Env = append(cmd.Env, s.setting)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	t, output := count(bytes.NewReader(out))
	switch {
	case t.passed != t.cases:
		return t, fmt.Errorf("%d of %d cases passed\n%s", t.passed, t.cases, output)
	case err != nil:
		return t, fmt.Errorf("%w\n%s", err, output)
	case t.cases == 0:
		return t, errors.New("no case has run")
	}
	return t, nil
}
