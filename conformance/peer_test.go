package conformance

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// stranger is an implementation of gRPC that is no Go. Its scripts, a client and a
// server of the Raw service, are in testdata.
type stranger struct {
	client, server string

	command func(t *testing.T, script string, args ...string) *exec.Cmd
	// joins says that it makes one value of all values of a metadata key that is
	// not binary, as HTTP allows (gRPC over HTTP/2, Custom-Metadata).
	joins bool
	// deflates says that its server compresses responses.
	deflates bool
}

var (
	ccore = stranger{
		client: "ccore_client.py", server: "ccore_server.py", deflates: true,
		command: func(t *testing.T, script string, args ...string) *exec.Cmd {
			return pythonPeer(t, "grpc", "python3-grpcio", script, args...)
		},
	}
	grpcjs = stranger{client: "grpcjs_client.js", server: "grpcjs_server.js", joins: true, command: nodePeer}
)

// absent skips a test whose peer is not there, or fails it if it has to be.
func absent(t *testing.T, why, install string) {
	t.Helper()
	if os.Getenv("CQRPC_REQUIRE_PEERS") == "1" {
		t.Fatalf("no peer (%s): %s", why, install)
	}
	t.Skipf("this peer is not of Go; to run this: %s", install)
}

// python is Debian's interpreter: another one first in PATH would not find the
// packages of apt.
const python = "/usr/bin/python3"

// pythonPeer returns a command that runs a script of testdata, which needs a
// module of Python and so a package of Debian.
func pythonPeer(t *testing.T, module, debian, script string, args ...string) *exec.Cmd {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import "+module).CombinedOutput(); err != nil {
		absent(t, err.Error()+" "+string(out), "apt-get install -y "+debian)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"testdata/" + script}, args...)...)
	cmd.Env = append(os.Environ(), "GRPC_VERBOSITY=NONE", "http_proxy=", "https_proxy=", "PYTHONIOENCODING=utf-8")
	return cmd
}

// nodePeer returns a command that runs a script of testdata, which needs
// @grpc/grpc-js. That is looked for where the CI puts it: it is not in the tree.
func nodePeer(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	const install = "apt-get install -y nodejs npm, and in the root of the repository: " +
		"npm install --no-save --prefix .tmp/grpc-js @grpc/grpc-js@1.14.7"
	node, err := exec.LookPath("node")
	if err != nil {
		absent(t, err.Error(), install)
	}
	modules, err := filepath.Abs("../.tmp/grpc-js/node_modules")
	parity.Want(t, "Abs", err)
	if _, err := os.Stat(filepath.Join(modules, "@grpc", "grpc-js")); err != nil {
		absent(t, err.Error(), install)
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{"testdata/" + script}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "http_proxy=", "https_proxy=", "grpc_proxy=")
	return cmd
}

// process is a peer as a server, in a process of its own, which does not outlive
// the test's context.
type process struct {
	address string
	drain   func() // begins to; it returns at once
	wait    func() // until the process has ended
}

func (h *process) stop() {
	h.drain()
	h.wait()
}

func (p *stranger) start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := p.command(t, p.server, args...)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	stdin, err := cmd.StdinPipe()
	parity.Want(t, "StdinPipe", err)
	stdout, err := cmd.StdoutPipe()
	parity.Want(t, "StdoutPipe", err)
	parity.Want(t, "Start", cmd.Start())
	ended := make(chan error, 1)
	h := &process{
		drain: func() { _ = stdin.Close() },
		wait: func() {
			if err := <-ended; err != nil {
				t.Errorf("%v\n%s", err, diagnostics.String())
			}
			ended <- nil
		},
	}
	port, err := bufio.NewReader(stdout).ReadString('\n')
	go func() { ended <- cmd.Wait() }()
	parity.Want(t, "read the port", err)
	h.address = net.JoinHostPort("127.0.0.1", strings.TrimSpace(port))
	return h
}
