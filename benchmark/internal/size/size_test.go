// Package size has the smallest servers of the Greeter, whose binaries are weighed.
package size

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/cqrpc/cqrpc/server" // a change of it makes a cached result of this test void
)

// Without TLS a program must not carry its handshake: that is a sixth of it.
func TestPlaintextServerIsLinkedWithoutTLS(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "server")
	if out, err := exec.Command("go", "build", "-o", binary, "./cqrpc").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	symbols, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(symbols), "cqrpc/transport.(*Conn).read") {
		t.Fatal("nm lists no symbols of the transport: this test proves nothing")
	}
	for line := range strings.Lines(string(symbols)) {
		if strings.Contains(line, "crypto/tls.(*Conn).serverHandshake") ||
			strings.Contains(line, "crypto/tls.(*Conn).clientHandshake") {
			t.Errorf("linked although nothing asks for TLS: %s", line)
		}
	}
}
