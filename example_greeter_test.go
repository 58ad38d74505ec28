package cqrpc_test

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

// serve serves on loopback and connects to itself; stop ends both, the server
// after its calls.
func serve(s *server.Server) (ch *client.Channel, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	ch, err = client.NewChannel(listener.Addr().String(), client.WithInsecure())
	check(err)
	return ch, func() {
		check(ch.Close(), s.Shutdown(context.Background()))
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			panic(err)
		}
	}
}

// check ends an example that goes wrong.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		panic(err)
	}
}

// mostLines is how long a Greeter may be: client, server and all.
const mostLines = 25

var outputComment = regexp.MustCompile(`(?m)^\t// Output:.*\n(\t// .*\n)*`)

// The README shows the examples as they are, so that what it shows compiles and
// does what it says.
func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, style := range []string{"sync", "queue", "reactor", "future"} {
		source, err := os.ReadFile("example_" + style + "_test.go")
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(string(source), "\n)\n\n") // what follows the imports
		code = outputComment.ReplaceAllString(code, "")
		if !strings.Contains(string(readme), "```go\n"+code+"```\n") {
			t.Errorf("README.md does not show the %s example as it is:\n%s", style, code)
		}
		if n := strings.Count(code, "\n"); n > mostLines {
			t.Errorf("the %s example has %d lines; it shall fit %d", style, n, mostLines)
		}
	}
}
