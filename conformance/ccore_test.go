package conformance

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// The Raw service is what C-core and cqrpc talk about here. Its messages are
// bytes, so that neither side needs generated code; both sides implement it.
//
//	Unary         echoes the request
//	ServerStream  wants a number n, answers "0" to "n-1"
//	ClientStream  answers with all requests in one
//	Bidi          echoes each request
//	TimeLeft      answers with the seconds until the deadline
//	Hang          lasts until its call ends
//	WaitEnded     answers when a Hang has been cancelled; C-core's only
//
// The first four echo metadata x-echo and x-echo-bin, initial and trailing, or
// fail with the code in x-fail and the message in x-fail-message-bin.
type rawMethod = call.Method[[]byte, []byte]

func raw(name string) rawMethod { return rawMethod{Name: "/conformance.Raw/" + name} }

// python is Debian's interpreter: another one first in PATH would not find the
// packages of apt.
const python = "/usr/bin/python3"

// pythonPeer returns a command that runs a script of testdata, which needs a
// module of Python and so a package of Debian.
func pythonPeer(t *testing.T, module, debian, script string, args ...string) *exec.Cmd {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import "+module).CombinedOutput(); err != nil {
		install := "apt-get install -y " + debian
		if os.Getenv("CQRPC_REQUIRE_PEERS") == "1" {
			t.Fatalf("no peer (%v): %s\n%s", err, install, out)
		}
		t.Skipf("this peer is a package of Debian, not of Go; to run this: %s", install)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"testdata/" + script}, args...)...)
	cmd.Env = append(os.Environ(), "GRPC_VERBOSITY=NONE", "http_proxy=", "https_proxy=", "PYTHONIOENCODING=utf-8")
	return cmd
}

// rawBegin echoes metadata or fails, as the request's metadata says.
func rawBegin(ctx context.Context) error {
	info, _ := server.Incoming(ctx)
	var md cqrpc.Metadata
	for _, p := range info.Metadata {
		if strings.HasPrefix(p.Key, "x-echo") {
			md = append(md, p)
		}
	}
	if err := errors.Join(server.SetHeader(ctx, md), server.SetTrailer(ctx, md)); err != nil {
		return err
	}
	if code, ok := cqrpc.ParseCode(info.Metadata.Get("x-fail")); ok {
		return cqrpc.Errorf(code, "%s", info.Metadata.Get("x-fail-message-bin"))
	}
	return nil
}

// rawHandlers is the Raw service in the sync style. Every end of a Hang is told.
func rawHandlers(ended chan<- error) []server.Handler {
	return []server.Handler{
		server.Unary(raw("Unary"), func(ctx context.Context, req *[]byte) (*[]byte, error) {
			return req, rawBegin(ctx)
		}),
		server.ServerStream(raw("ServerStream"), rawServerStream),
		server.ClientStream(raw("ClientStream"), rawClientStream),
		server.BidiStream(raw("Bidi"), rawBidi),
		server.Unary(raw("TimeLeft"), func(ctx context.Context, _ *[]byte) (*[]byte, error) {
			d, _ := ctx.Deadline()
			left := []byte(strconv.FormatFloat(time.Until(d).Seconds(), 'f', 3, 64))
			return &left, nil
		}),
		server.Unary(raw("Hang"), func(ctx context.Context, _ *[]byte) (*[]byte, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}),
	}
}

func rawServerStream(ctx context.Context, req *[]byte, out *server.Sender[[]byte]) error {
	if err := rawBegin(ctx); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(*req))
	if err != nil {
		return cqrpc.Errorf(cqrpc.CodeInvalidArgument, "%w", err)
	}
	for i := range n {
		res := strconv.AppendInt(nil, int64(i), 10)
		if err := out.Send(&res); err != nil {
			return err
		}
	}
	return nil
}

func rawClientStream(ctx context.Context, in *server.Receiver[[]byte]) (*[]byte, error) {
	if err := rawBegin(ctx); err != nil {
		return nil, err
	}
	var all []byte
	for req, err := range in.All() {
		if err != nil {
			return nil, err
		}
		all = append(all, *req...)
	}
	return &all, nil
}

func rawBidi(ctx context.Context, in *server.Receiver[[]byte], out *server.Sender[[]byte]) error {
	if err := rawBegin(ctx); err != nil {
		return err
	}
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		if err := out.Send(req); err != nil {
			return err
		}
	}
	return nil
}

// rawHost serves the Raw service.
func rawHost(t *testing.T, ended chan<- error) *parity.Host {
	kind := parity.HostKind{Name: "sync", Serve: func(t *testing.T, lis net.Listener, _ *parity.Credentials, _ parity.Serving) (drain, stop func()) {
		srv := server.New(server.WithCodecs(codec.Bytes()), server.WithCompressor("gzip"))
		parity.Want(t, "Register", srv.Register(rawHandlers(ended)...))
		return parity.Run(t, srv, lis, func() {})
	}}
	return kind.Start(t, nil, parity.Serving{})
}

// TestCCoreClient lets C-core call cqrpc. What is asserted stands in the script.
func TestCCoreClient(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 10)
	h := rawHost(t, ended)
	cmd := pythonPeer(t, "grpc", "python3-grpcio", "ccore_client.py", h.Address)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, diagnostics.String())
	}
	cases := 0
	for line := range strings.Lines(string(out)) {
		name, verdict, _ := strings.Cut(strings.TrimSpace(line), " ")
		cases++
		t.Run(name, func(t *testing.T) {
			if verdict != "ok" {
				t.Error(verdict)
			}
		})
	}
	if cases == 0 {
		t.Error("no case has run")
	}
	if err := <-ended; err != context.DeadlineExceeded && err != context.Canceled {
		t.Errorf("handler's context ended with %v", err)
	}
}
