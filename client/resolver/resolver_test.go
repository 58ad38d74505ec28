package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// reports is what a resolver has said, in one line each.
type reports chan string

func (r reports) report(addresses []resolver.Address, err error) {
	if err != nil {
		addresses = nil
	}
	r <- fmt.Sprint(addresses, err)
}

// want wants these reports, and then no other.
func (r reports) want(t *testing.T, why string, want ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for len(r) > 0 {
		got = append(got, <-r)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: reported %q; want %q", why, got, want)
	}
}

// begin calls Watch for a target, until the bubble ends.
func (r reports) begin(t *testing.T, res resolver.Resolver, target string) *resolver.Watch {
	w := resolver.NewWatch(target, r.report)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- res.Watch(ctx, w) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return w
}

func TestName(t *testing.T) {
	for target, want := range map[string]string{
		"":                                "",
		"my-service":                      "my-service",
		"my-service:80":                   "my-service:80",
		"etcd:my-service":                 "etcd:my-service",
		"etcd:///my-service":              "my-service",
		"etcd:////my-service":             "/my-service",
		"etcd://192.0.2.1:2379/a/b":       "a/b",
		"consul://dc1/web%20b?tag=x#y":    "web b",
		"consul://dc1":                    "",
		"x://%zz/a":                       "x://%zz/a",
		"kubernetes:///web.default:grpc":  "web.default:grpc",
		"kubernetes://web.default:50051/": "",
	} {
		if got := resolver.Name(target); got != want {
			t.Errorf("Name(%q) = %q; want %q", target, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	got := resolver.Addresses("192.0.2.1:80", "[2001:db8::1]:80", "a.example:1", "unix:a", "unix:/a/b", "unix:///a/b",
		"unix-abstract:c")
	want := []resolver.Address{
		{Addr: "192.0.2.1:80"}, {Addr: "[2001:db8::1]:80"}, {Addr: "a.example:1"},
		{Addr: "a", Network: "unix"}, {Addr: "/a/b", Network: "unix"}, {Addr: "/a/b", Network: "unix"},
		{Addr: "@c", Network: "unix"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

// Whoever watches gets what is known, and what comes; when that was an error, the addresses too.
func TestManual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := new(resolver.Manual)
		first, second := make(reports, 10), make(reports, 10)
		first.begin(t, names, "a")
		first.want(t, "nothing is known")
		list := resolver.Addresses("192.0.2.1:80")
		names.Report(list, nil)
		list[0].Addr = "changed"
		first.want(t, "a list", "[{192.0.2.1:80 }] <nil>")
		names.Report(list, errors.New("down"))
		first.want(t, "an error", "[{192.0.2.1:80 }] <nil>", "[] down")
		second.begin(t, names, "b")
		second.want(t, "another channel", "[{192.0.2.1:80 }] <nil>", "[] down")
		names.Report(nil, nil)
		first.want(t, "there is none", "[] <nil>")
		second.want(t, "there is none", "[] <nil>")
	})
}

func TestManualEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := new(resolver.Manual)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		got := make(reports, 10)
		go func() { ended <- names.Watch(ctx, resolver.NewWatch("a", got.report)) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v", err)
		}
		names.Report(resolver.Addresses("192.0.2.1:80"), nil)
		got.want(t, "it has ended")
	})
}

func TestFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(reports, 10)
		w := resolver.NewWatch("etcd:///a", got.report)
		ask := func(f resolver.Func) error { return f.Watch(t.Context(), w) }
		err := ask(func(_ context.Context, name string) ([]resolver.Address, error) {
			return resolver.Addresses(name+":1", name+":2"), nil
		})
		if err != nil {
			t.Error(err)
		}
		got.want(t, "found", "[{a:1 } {a:2 }] <nil>")
		began := time.Now()
		err = ask(func(ctx context.Context, _ string) ([]resolver.Address, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 20*time.Second {
			t.Errorf("%v after %v; want the deadline after 20 s", err, time.Since(began))
		}
		got.want(t, "returned, not reported")
	})
}

// Hints that nobody has taken are one.
func TestHint(t *testing.T) {
	w := resolver.NewWatch("a", func([]resolver.Address, error) {})
	if w.Target() != "a" {
		t.Errorf("the target is %q", w.Target())
	}
	w.Hint()
	w.Hint()
	<-w.ResolveNow()
	select {
	case <-w.ResolveNow():
		t.Error("there were two")
	default:
	}
}
