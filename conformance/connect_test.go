package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// connectSet is a selection of connectconformance 1.0.6: how many cases there
// are for a server, for a client, and for the two together. The list of those
// that are known to fail is empty.
type connectSet struct {
	config               string // a file of testdata/connect
	server, client, both int
}

// connectSets by the value of CQRPC_CONNECT; "" is what the CI runs.
var connectSets = map[string]connectSet{
	"":     {"grpc.yaml", 876, 1052, 612},
	"full": {"compressions.yaml", 2196, 2708, 1836},
}

// connectStyles are the styles of cmd/connect-server and cmd/connect-client.
var connectStyles = []string{"sync"}

// TestConnect holds server and client, in every style, against the connectrpc
// conformance suite. All compressions, too:
//
//	CQRPC_CONNECT=full go test -run TestConnect .
func TestConnect(t *testing.T) {
	set, ok := connectSets[os.Getenv("CQRPC_CONNECT")]
	if !ok {
		t.Fatalf("CQRPC_CONNECT=%s is no set", os.Getenv("CQRPC_CONNECT"))
	}
	suite := connectSuite{
		program: connectBinary(t), config: filepath.Join("testdata", "connect", set.config),
		dir: buildPrograms(t, "connect-server", "connect-client"),
	}
	for _, style := range connectStyles {
		server := []string{filepath.Join(suite.dir, "connect-server"), "-style", style}
		client := []string{filepath.Join(suite.dir, "connect-client"), "-style", style}
		t.Run(style+" server", func(t *testing.T) { suite.run(t, set.server, "server", server) })
		t.Run(style+" client", func(t *testing.T) { suite.run(t, set.client, "client", client) })
		t.Run(style+" both", func(t *testing.T) {
			suite.run(t, set.both, "both", slices.Concat(client, []string{"----"}, server))
		})
	}
}

// connectSuite runs the suite against programs in dir.
type connectSuite struct{ program, config, dir string }

// connectBinary finds the suite in PATH or where the CI puts its tools.
func connectBinary(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("connectconformance"); err == nil {
		return path
	}
	path, err := filepath.Abs("../.tmp/bin/connectconformance")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err == nil {
		return path
	}
	const install = "GOBIN=$PWD/.tmp/bin go install connectrpc.com/conformance/cmd/connectconformance@v1.0.6"
	if os.Getenv("CQRPC_REQUIRE_PEERS") == "1" {
		t.Fatalf("no connectconformance (%v): %s", err, install)
	}
	t.Skipf("connectconformance is a program, not a package; to run this, in the root of the repository: %s", install)
	return ""
}

// connectTotal is the last line of the suite's report.
var connectTotal = regexp.MustCompile(`(?m)^(\d+) passed, (\d+) failed$`)

// run wants cases to pass, and none to fail.
func (s *connectSuite) run(t *testing.T, cases int, mode string, command []string) {
	t.Helper()
	args := append([]string{"-v", "--conf", s.config, "--mode", mode, "--"}, command...)
	raw, err := exec.CommandContext(t.Context(), s.program, args...).CombinedOutput()
	out := string(raw)
	total := connectTotal.FindStringSubmatch(out)
	if total == nil {
		t.Fatalf("%v, and no total in:\n%s", err, out)
	}
	passed, _ := strconv.Atoi(total[1]) // digits
	logSuite(t, "connectrpc conformance 1.0.6, "+mode, cases, passed)
	if passed != cases || total[2] != "0" || err != nil || strings.Contains(out, "DATA RACE") {
		t.Errorf("%s passed and %s failed, want %d and 0; %v\n%s", total[1], total[2], cases, err, out)
	}
}
