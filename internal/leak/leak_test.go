package leak_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// leakyEnv makes TestMain leave a goroutine behind, in a process of its own.
const leakyEnv = "CQRPC_LEAK_ON_PURPOSE"

func TestMain(m *testing.M) {
	if os.Getenv(leakyEnv) != "" {
		go parkOnPurpose(make(chan struct{}))
	}
	leak.Main(m)
}

func parkOnPurpose(release <-chan struct{}) { <-release }

// recorder is a testing.TB whose cleanups the test runs and whose errors it
// reads.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// end runs the cleanups and returns the errors.
func (r *recorder) end() []string {
	for _, f := range r.cleanups {
		f()
	}
	return r.errors
}

func wantOne(t *testing.T, errors []string, says string) {
	t.Helper()
	if len(errors) != 1 || !strings.Contains(errors[0], says) {
		t.Errorf("errors %q, want one that says %q", errors, says)
	}
}

func TestCheckFindsAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // for the grace to cost nothing
		r := &recorder{TB: t}
		old := make(chan struct{})
		defer close(old)
		go parkOnPurpose(old)
		synctest.Wait()
		leak.Check(r)
		release := make(chan struct{})
		defer close(release)
		go parkOnPurpose(release)
		wantOne(t, r.end(), "parkOnPurpose")
	})
}

func TestCheckWaitsForGoroutinesThatEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		leak.Check(r)
		go parkOnPurpose(after(time.Second))
		if errors := r.end(); len(errors) != 0 {
			t.Errorf("errors %q, want none", errors)
		}
	})
}

// What begins elsewhere meanwhile is not the bubble's, whose grace is none for others.
func TestCheckInABubbleLooksAtItsOwn(t *testing.T) {
	begin, begun, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(release)
	go func() {
		<-begin
		go parkOnPurpose(release)
		close(begun)
	}()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		leak.Check(r)
		close(begin)
		<-begun
		if errors := r.end(); len(errors) != 0 {
			t.Errorf("errors %q, want none", errors)
		}
	})
}

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

func TestBuffersFindsABuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		leak.Buffers(r)
		mem.Get(10).Free()
		forgotten := mem.Get(123)
		errors := r.end()
		forgotten.Free()
		wantOne(t, errors, "123 bytes from")
	})
}

func TestBuffersWaitsForALateFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		leak.Buffers(r)
		b := mem.Get(10)
		time.AfterFunc(time.Second, b.Free)
		if errors := r.end(); len(errors) != 0 {
			t.Errorf("errors %q, want none", errors)
		}
	})
}

// Main ends the process, so it is watched from outside.
func TestMainFailsThePackage(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestBuffersFindsABuffer$")
	cmd.Env = append(os.Environ(), leakyEnv+"=1")
	out, err := cmd.CombinedOutput()
	says := string(out)
	if err == nil || !strings.Contains(says, "leaked goroutine") || !strings.Contains(says, "parkOnPurpose") {
		t.Errorf("exit %v with output\n%s", err, out)
	}
}
