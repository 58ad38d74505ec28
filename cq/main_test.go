package cq_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

var (
	past      = time.Now().Add(-time.Hour)
	farFuture = time.Now().Add(time.Hour)
)

// TestMain fails the run if a test left a goroutine behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if code == 0 && flag.Lookup("test.fuzz").Value.String() == "" && leaked(before) {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "goroutines leaked:\n%s\n", buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

// leaked gives goroutines on their way out a moment.
func leaked(before int) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if runtime.NumGoroutine() <= before {
			return false
		}
	}
	return true
}

func wantEvent(t *testing.T, got, want cq.Event) {
	t.Helper()
	if got != want {
		t.Errorf("got event %+v, want %+v", got, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func post(t *testing.T, q *cq.Queue, tags ...cq.Tag) {
	t.Helper()
	for _, tag := range tags {
		if err := q.Post(tag, true); err != nil {
			t.Fatalf("Post(%v): %v", tag, err)
		}
	}
}

// mustPanic runs f and fails the test unless it panics with the text want.
func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic is %q, want %q", got, want)
		}
	}()
	f()
}

func completed(tag cq.Tag) cq.Event { return cq.Event{Kind: cq.OpComplete, OK: true, Tag: tag} }

// finalize is a Finalizer made of a function.
type finalize func(*cq.Event) bool

func (f finalize) Finalize(ev *cq.Event) bool { return f(ev) }
