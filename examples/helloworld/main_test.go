package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

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
	return options{style: "async", queues: 1, pollers: 1, name: "test", calls: 4, shutdownDeadline: 5 * time.Second}
}

// The demonstration greets each kind of server in both styles, and says which
// queue and which tag served each call.
func TestDemonstration(t *testing.T) {
	var out lines
	if err := run(context.Background(), &printer{w: &out}, defaults()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for pattern, want := range map[string]int{
		`(?m)^async server, one queue and one poller`: 1,
		`(?m)^async server, three queues`:             1,
		`(?m)^sync server`:                            1,
		`(?m)^  server: queue 0, tag 0x[0-9a-f]+ \(call data \d+\) answers "Hello test \d"$`: -1,
		`(?m)^  server: queue [012], tag 0x[0-9a-f]+ \(call data \d+\) answers`:              2 * 2 * 4,
		`(?m)^  async client: tag \d ok=true status OK reply "Hello test \d"$`:               3 * 4,
		`(?m)^  sync client: reply "Hello test \d"$`:                                         3 * 4,
		`(?m)^  server: handler answers "Hello test \d"$`:                                    2 * 4,
		`(?m)^  server: shut down`:                                                           3,
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
	for _, style := range []string{"async", "sync"} {
		t.Run(style, func(t *testing.T) {
			ctx, stop := context.WithCancel(context.Background())
			out := lines{seen: make(chan string, 100)}
			o := defaults()
			o.style, o.listen, o.queues, o.pollers = style, "127.0.0.1:0", 2, 2
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

func TestBadOptions(t *testing.T) {
	for name, change := range map[string]func(*options){
		"style":   func(o *options) { o.style = "callback" },
		"queues":  func(o *options) { o.queues = 0 },
		"pollers": func(o *options) { o.pollers = -1 },
		"both":    func(o *options) { o.listen, o.connect = "127.0.0.1:0", "127.0.0.1:1" },
		"address": func(o *options) { o.listen = "127.0.0.1:none" },
	} {
		o := defaults()
		change(&o)
		if err := run(context.Background(), &printer{w: new(lines)}, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
