package interop

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/parity"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestWhatCannotBeRunSaysWhy(t *testing.T) {
	c, err := New(Config{Dial: func() (parity.Caller, error) { return nil, nil }, Soak: Soak{
		Iterations: 10, Threads: 3, Log: io.Discard,
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"cacheable_unary": "caching proxy",
		"per_rpc_creds":   "cloud",
		"large_unitary":   `there is no test case "large_unitary"`,
		"rpc_soak":        "10 iterations can not be shared by 3 threads",
	} {
		if err := c.Run(context.Background(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", name, err, want)
		}
	}
}

func TestEveryDescriptionIsACaseOrLeftOut(t *testing.T) {
	for name := range leftOut {
		if slices.ContainsFunc(Cases, func(c Case) bool { return c.Name == name }) {
			t.Errorf("%s is left out, and a case", name)
		}
	}
}
