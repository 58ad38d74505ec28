package conformance

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/conformance/internal/interop"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// buildPrograms makes programs of cmd, with the race detector if this test has
// it, and returns where they are.
func buildPrograms(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	args := []string{"build", "-trimpath=false", "-o", dir} // grpc-go's certificates are found by where it lies
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	for _, name := range names {
		args = append(args, "./cmd/"+name)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

// logSuite tells cmd/report what a program that is a suite of its own has found;
// of tests in Go it counts the subtests.
func logSuite(t *testing.T, name string, cases, passed int) {
	t.Helper()
	t.Logf("suite: %s; cases: %d; passed: %d", name, cases, passed)
}

// TestInteropPrograms lets interop-client call interop-server, in every style,
// in plaintext and over TLS with the certificates of the interop tests.
func TestInteropPrograms(t *testing.T) {
	dir := buildPrograms(t, "interop-server", "interop-client")
	for _, style := range []string{"sync", "queue", "reactor", "future"} {
		for _, secure := range []bool{false, true} {
			name := style + "/plaintext"
			if secure {
				name = style + "/tls"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				interopPrograms(t, dir, style, secure)
			})
		}
	}
}

func interopPrograms(t *testing.T, dir, style string, secure bool) {
	serving, calling := []string{"--port=0", "--style=" + style}, []string{"--style=" + style, "--test_case=all"}
	if secure {
		serving = append(serving, "--use_tls")
		calling = append(calling, "--use_tls", "--use_test_ca", "--server_host_override=foo.test.google.fr")
	}
	server := exec.CommandContext(t.Context(), filepath.Join(dir, "interop-server"), serving...)
	var diagnostics bytes.Buffer
	server.Stderr = &diagnostics
	stdout, err := server.StdoutPipe()
	parity.Want(t, "StdoutPipe", err)
	parity.Want(t, "Start", server.Start())
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		if err := server.Wait(); err != nil {
			t.Errorf("interop-server: %v\n%s", err, diagnostics.String())
		}
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	parity.Want(t, "read where it listens", err)
	host, port, err := net.SplitHostPort(strings.TrimSpace(strings.TrimPrefix(line, "listening on ")))
	parity.Want(t, "SplitHostPort", err)

	// How long a call may take is not what is tested.
	calling = append(calling, "--server_host="+host, "--server_port="+port, "--soak_iterations=4",
		"--soak_num_threads=2", "--soak_per_iteration_max_acceptable_latency_ms=300000", "--soak_overall_timeout_seconds=300")
	client := exec.CommandContext(t.Context(), filepath.Join(dir, "interop-client"), calling...)
	var complaints bytes.Buffer
	client.Stderr = &complaints
	out, err := client.Output()
	if err != nil {
		t.Fatalf("interop-client: %v\n%s%s", err, out, complaints.String())
	}
	passed := strings.Count(string(out), " passed (")
	logSuite(t, "interop-client x interop-server", len(interop.Cases), passed)
	if passed != len(interop.Cases) {
		t.Errorf("%d cases passed, want %d:\n%s", passed, len(interop.Cases), out)
	}
}
