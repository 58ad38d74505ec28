package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// lines collects what is printed.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	seen chan string // every line, if not nil
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.text.Write(p)
	l.mu.Unlock()
	if l.seen != nil {
		l.seen <- string(p)
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func defaults() options {
	return options{style: "queue", queues: 1, pollers: 1, name: "test", calls: 4, shutdownDeadline: 5 * time.Second}
}

// The demonstration greets each kind of server in every style, and says which
// queue and which tag served each call.
func TestDemonstration(t *testing.T) {
	var out lines
	if err := run(context.Background(), &printer{w: &out}, defaults()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for pattern, want := range map[string]int{
		`(?m)^queue server, one queue and one poller`:                                            1,
		`(?m)^queue server, three queues`:                                                        1,
		`(?m)^(reactor|future|sync) server`:                                                      3,
		`(?m)^  server: queue 0, tag 0x[0-9a-f]+ \(call data \d+\) answers "Hello test \d"$`:     -1,
		`(?m)^  server: queue [012], tag 0x[0-9a-f]+ \(call data \d+\) answers`:                  2 * 4 * 4,
		`(?m)^  queue client: call \d, tag 0x[0-9a-f]+ ok=true status OK reply "Hello test \d"$`: 5 * 4,
		`(?m)^  (sync|reactor|future) client: reply "Hello test \d"$`:                            5 * 3 * 4,
		`(?m)^  server: (handler|sink|default reactor) answers "Hello test \d"$`:                 3 * 4 * 4,
		`(?m)^  server: shut down`:                                                               5,
	} {
		got := len(regexp.MustCompile(pattern).FindAllString(text, -1))
		if got != want && !(want < 0 && got > 0) {
			t.Errorf("%d lines match %q, want %d, in\n%s", got, pattern, want, text)
		}
	}
	for queue := range 3 {
		if !strings.Contains(text, fmt.Sprintf("queue %d, tag", queue)) {
			t.Errorf("queue %d served nothing:\n%s", queue, text)
		}
	}
}

// Server and client also run alone, as in two processes.
func TestServeAndConnect(t *testing.T) {
	for _, s := range styles() {
		t.Run(s.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(context.Background())
			out := lines{seen: make(chan string, 100)}
			o := defaults()
			o.style, o.listen, o.queues, o.pollers = s.name, "127.0.0.1:0", 2, 2
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, &printer{w: &out}, o) }()

			_, addr, _ := strings.Cut(<-out.seen, "serving on ")
			addr, _, _ = strings.Cut(addr, ",")
			var greeted lines
			o.listen, o.connect = "", addr
			if err := run(context.Background(), &printer{w: &greeted}, o); err != nil {
				t.Error(err)
			}
			if n := strings.Count(greeted.String(), `"Hello test`); n != 4 {
				t.Errorf("%d greetings, want 4:\n%s", n, greeted.String())
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// nobody is an address at which nobody listens: that of tcpmux. A port that was free a moment ago may be
// another process's by now.
const nobody = "127.0.0.1:1"

// A client of any style says so when nobody answers.
func TestNobodyToGreet(t *testing.T) {
	for _, s := range styles() {
		o := defaults()
		o.style, o.connect = s.name, nobody
		err := run(context.Background(), &printer{w: new(lines)}, o)
		if err == nil || !strings.Contains(err.Error(), cqrpc.CodeUnavailable.String()) {
			t.Errorf("%s: error %v, want UNAVAILABLE", s.name, err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, change := range map[string]func(*options){
		"style":   func(o *options) { o.style = "callback" },
		"queues":  func(o *options) { o.queues = 0 },
		"pollers": func(o *options) { o.pollers = -1 },
		"both":    func(o *options) { o.listen, o.connect = "127.0.0.1:0", nobody },
		"address": func(o *options) { o.listen = "127.0.0.1:none" },
	} {
		o := defaults()
		change(&o)
		if err := run(context.Background(), &printer{w: new(lines)}, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
