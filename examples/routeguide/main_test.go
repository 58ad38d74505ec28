package main

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

var update = flag.Bool("update", false, "write testdata/travel.txt from what is printed")

// page collects what is printed.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen chan string // every line, if not nil
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.text.Write(b)
	p.mu.Unlock()
	if p.seen != nil {
		p.seen <- string(b)
	}
	return len(b), nil
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// defaults are the options of a test: short pauses, and a clock that is three
// seconds later every time somebody looks.
func defaults() options {
	var mu sync.Mutex
	now := time.Unix(0, 0)
	return options{maxDelay: time.Millisecond, log: slog.New(slog.DiscardHandler), now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(3 * time.Second)
		return now
	}}
}

// printed runs the program and returns what it prints.
func printed(t *testing.T, o options) string {
	t.Helper()
	out := new(page)
	if err := run(t.Context(), &screen{w: out}, o); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out.String()
}

// The demonstration shows each style once, and all of them print the same.
func TestDemonstration(t *testing.T) {
	parts := strings.Split(printed(t, defaults()), "============== ")
	if len(parts) != 1+len(styles()) {
		t.Fatalf("%d parts, want one for each of %d styles", len(parts)-1, len(styles()))
	}
	want := wantedTravel(t, parts[1])
	for i, s := range styles() {
		title, text, _ := strings.Cut(parts[i+1], "\n")
		if !strings.HasPrefix(title, s.name+" client, "+s.name+" server ") {
			t.Errorf("part %d is called %q", i, title)
		}
		compare(t, text, want)
	}
}

// Every style of client understands every style of server.
func TestEveryPairOfStyles(t *testing.T) {
	for _, c := range styles() {
		for _, s := range styles() {
			t.Run(c.name+" to "+s.name, func(t *testing.T) {
				o := defaults()
				o.clientStyle, o.serverStyle = c.name, s.name
				text := printed(t, o)
				compare(t, text[strings.Index(text, "\n")+1:], wantedTravel(t, ""))
			})
		}
	}
}

// wantedTravel is what one travel prints; part is where it comes from on -update.
func wantedTravel(t *testing.T, part string) string {
	t.Helper()
	const name = "testdata/travel.txt"
	if *update && part != "" {
		if err := os.WriteFile(name, []byte(part[strings.Index(part, "\n")+1:]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(want)
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	lines, wanted := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(lines), len(wanted)) {
		switch {
		case i >= len(lines):
			t.Errorf("line %d: nothing, want %q", i+1, wanted[i])
		case i >= len(wanted):
			t.Errorf("line %d: %q, want nothing", i+1, lines[i])
		case lines[i] != wanted[i]:
			t.Errorf("line %d: %q, want %q", i+1, lines[i], wanted[i])
		default:
			continue
		}
		return
	}
}

// serving starts the program as a server of one style. The returned function
// stops it.
func serving(t *testing.T, s style, o options) (addr string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &page{seen: make(chan string, 10)}
	o.style, o.listen = s.name, "127.0.0.1:0"
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, &screen{w: out}, o)
		close(out.seen)
	}()
	line, isServing := <-out.seen
	if !isServing {
		t.Fatal(<-ended)
	}
	_, addr, _ = strings.Cut(line, "serving on ")
	addr, _, _ = strings.Cut(addr, ",")
	return addr, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Server and client run alone as well, and the server remembers notes: the
// second visitor gets those of the first.
func TestServeAndConnect(t *testing.T) {
	for i, s := range styles() {
		t.Run(s.name, func(t *testing.T) {
			addr, stop := serving(t, s, defaults())
			defer stop()
			o := defaults()
			o.connect, o.style = addr, styles()[(i+1)%len(styles())].name
			for visitor, want := range []int{1, 7} {
				if n := strings.Count(printed(t, o), "Got message"); n != want {
					t.Errorf("visitor %d got %d notes, want %d", visitor, n, want)
				}
			}
		})
	}
}

// nobody is an address at which nobody listens: that of tcpmux. A port that was free a moment ago may be
// another process's by now.
const nobody = "127.0.0.1:1"

// A client of any style says so when nobody answers, and when it is stopped.
func TestTravelThatFails(t *testing.T) {
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, s := range styles() {
		o := defaults()
		o.style, o.connect = s.name, nobody
		for ctx, want := range map[context.Context]cqrpc.Code{
			context.Background(): cqrpc.CodeUnavailable, stopped: cqrpc.CodeCanceled,
		} {
			err := run(ctx, &screen{w: new(page)}, o)
			if err == nil || !strings.Contains(err.Error(), want.String()) && !strings.Contains(err.Error(), "canceled") {
				t.Errorf("%s: error %v, want %v", s.name, err, want)
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, change := range map[string]func(*options){
		"style":        func(o *options) { o.style = "callback" },
		"client style": func(o *options) { o.clientStyle = "async" },
		"server style": func(o *options) { o.serverStyle = "async" },
		"delay":        func(o *options) { o.maxDelay = -1 },
		"both":         func(o *options) { o.listen, o.connect = "127.0.0.1:0", nobody },
		"address":      func(o *options) { o.listen = "127.0.0.1:none" },
	} {
		for _, s := range styles() {
			o := defaults()
			o.style = s.name
			change(&o)
			if err := run(t.Context(), &screen{w: new(page)}, o); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}
