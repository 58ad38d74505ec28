package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/internal/leak"
)

// TestMain is the server too, for the program starts itself.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-"+serveFlag) {
		main()
		return
	}
	leak.Main(m)
}

func TestEveryStreamHearsIt(t *testing.T) {
	r, err := run(t.Context(), options{streams: 2000, conns: 3, size: 32, patience: time.Minute, collect: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent != 2000 || r.Arrived != 2000 {
		t.Errorf("%d sent, %d arrived, want 2000", r.Sent, r.Arrived)
	}
	if r.Before <= 0 || r.Open <= 0 || r.After <= 0 || r.Peak < r.Open || r.Client <= 0 {
		t.Errorf("memory: %+v", r)
	}
}

func TestNothingIsOpenedAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := run(ctx, options{streams: 10, conns: 1, patience: time.Minute, collect: 100}); err == nil {
		t.Errorf("%+v", r)
	}
}

func TestOrdersAreFollowed(t *testing.T) {
	var out strings.Builder
	if err := serve(strings.NewReader("tell\nbroadcast 5\n"), &out, 100); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines, want an address and two answers:\n%s", n, out.String())
	}
	for _, bad := range []string{"dance", "broadcast", "broadcast x"} {
		if serve(strings.NewReader(bad+"\n"), &out, 100) == nil {
			t.Errorf("%q was followed", bad)
		}
	}
}
