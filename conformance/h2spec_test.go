package conformance

import (
	"crypto/tls"
	"encoding/xml"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/conformance/internal/bodyroute"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/transport"
)

// h2specCases is how many cases h2spec 2.2.1 has with -S.
const h2specCases = 146

// bodiless names the cases that mean something only where the answer to a GET
// has a body: they wait for DATA, or for the stream to stay open without a
// window. gRPC's answer to a GET is HTTP 405 in one block.
var bodiless = []string{
	"generic/2: Sends a WINDOW_UPDATE frame on half-closed (remote) stream",
	"generic/2: Sends a PRIORITY frame on half-closed (remote) stream",
	"http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE",
	"http2/6.9.1: Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame",
	"http2/6.9.2: Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame",
	"http2/6.9.2: Sends a SETTINGS frame for window size to be negative",
}

// h2specBinary finds h2spec in PATH or where the CI puts its tools.
func h2specBinary(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("h2spec"); err == nil {
		return path
	}
	path, err := filepath.Abs("../.tmp/bin/h2spec")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err == nil {
		return path
	}
	const install = "GOBIN=$PWD/.tmp/bin go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
	if os.Getenv("CQRPC_REQUIRE_PEERS") == "1" {
		t.Fatalf("no h2spec (%v): %s", err, install)
	}
	t.Skipf("h2spec is a program, not a package; to run this, in the root of the repository: %s", install)
	return ""
}

// h2specCase is a case of h2spec's JUnit report.
type h2specCase struct {
	Package string  `xml:"package,attr"`
	Name    string  `xml:"classname,attr"`
	Failure *string `xml:"failure"`
	Error   *string `xml:"error"`
	Skipped *string `xml:"skipped"`
}

func (c h2specCase) id() string { return c.Package + ": " + c.Name }

// runH2spec holds the server at address against h2spec. Every case must pass
// but those of excused, whatever they do.
func runH2spec(t *testing.T, address string, overTLS bool, excused ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	parity.Want(t, "SplitHostPort", err)
	report := filepath.Join(t.TempDir(), "report.xml")
	args := []string{"-h", host, "-p", port, "-P", "/", "-o", "2", "-S", "-j", report}
	if overTLS {
		args = append(args, "-t", "-k")
	}
	// It exits with 1 if a case fails, which the report tells better.
	out, runErr := exec.CommandContext(t.Context(), h2specBinary(t), args...).CombinedOutput()
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("no report (%v): %v\n%s", err, runErr, out)
	}
	var suites struct {
		Cases []h2specCase `xml:"testsuite>testcase"`
	}
	parity.Want(t, "Unmarshal", xml.Unmarshal(data, &suites))
	passed, leftOut := 0, 0
	for _, c := range suites.Cases {
		switch complaint := c.complaint(); {
		case slices.Contains(excused, c.id()):
			leftOut++
		case complaint != "":
			t.Errorf("%s: %s", c.id(), complaint)
		default:
			passed++
		}
	}
	logSuite(t, "h2spec 2.2.1 -S", h2specCases-len(excused), passed)
	if passed+leftOut != h2specCases || leftOut != len(excused) {
		t.Errorf("%d passed and %d were excused, want %d and %d", passed, leftOut, h2specCases-len(excused), len(excused))
	}
}

// complaint is what h2spec found, "" if nothing. A case that was skipped says
// nothing about us, which is a finding about the test.
func (c h2specCase) complaint() string {
	switch {
	case c.Failure != nil:
		return "failed: " + *c.Failure
	case c.Error != nil:
		return "failed, h2spec got the last of: " + *c.Error
	case c.Skipped != nil:
		return "skipped"
	}
	return ""
}

// eachLink runs f as parallel subtests in plaintext, with nil, and over TLS.
func eachLink(t *testing.T, f func(t *testing.T, c *parity.Credentials)) {
	for _, c := range []*parity.Credentials{nil, parity.TestCredentials(t)} {
		name := "plaintext"
		if c != nil {
			name = "TLS"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, c)
		})
	}
}

// TestH2spec holds the transport against h2spec. The answer to every request has
// a body, so that every case means something.
func TestH2spec(t *testing.T) {
	eachLink(t, func(t *testing.T, c *parity.Credentials) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		parity.Want(t, "Listen", err)
		var secure *tls.Config
		if c != nil {
			secure = c.Server()
		}
		s := bodyroute.Serve(lis, secure, transport.Config{})
		defer s.Close()
		runH2spec(t, lis.Addr().String(), c != nil)
	})
}

// TestH2specOfServer holds a gRPC server against the cases that mean something
// to it.
func TestH2specOfServer(t *testing.T) {
	eachLink(t, func(t *testing.T, c *parity.Credentials) {
		h := syncHost(t).Start(t, c, parity.Serving{})
		runH2spec(t, h.Address, c != nil, bodiless...)
	})
}
