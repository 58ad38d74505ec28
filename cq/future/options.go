package future

import (
	"log/slog"

	"github.com/cqrpc/cqrpc/internal/station"
)

// Option configures an [Environment].
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is an environment's resolved options.
type config struct {
	name  string
	hooks station.Hooks
}

func newConfig(opts []Option) config {
	cfg := config{name: "future", hooks: station.Hooks{Panicked: logPanic}}
	for _, o := range opts {
		o.apply(&cfg)
	}
	return cfg
}

func logPanic(v any, stack []byte) {
	slog.Error("future: panic in a callback", "panic", v, "stack", string(stack))
}

// WithName names the environment in String and in errors. Default "future".
func WithName(name string) Option { return optionFunc(func(c *config) { c.name = name }) }

// WithAfterStart calls f on each poller's goroutine before its first event;
// queue counts from 0. Default: nothing.
func WithAfterStart(f func(queue int)) Option {
	return optionFunc(func(c *config) { c.hooks.AfterStart = f })
}

// WithBeforeStop calls f on each poller's goroutine after its last event.
// Default: nothing.
func WithBeforeStop(f func(queue int)) Option {
	return optionFunc(func(c *config) { c.hooks.BeforeStop = f })
}

// WithPanicHandler calls f with what a function of OnComplete or Spawn gave to
// panic, on the poller's goroutine. Default: [slog.Error]. A handler of a server
// that panics is reported by the server.
func WithPanicHandler(f func(v any, stack []byte)) Option {
	return optionFunc(func(c *config) {
		if f != nil {
			c.hooks.Panicked = f
		}
	})
}

// WithLeakHandler turns on the detection of sinks and streams that were dropped
// without being closed: when the garbage collector finds one, its call is
// cancelled and f called, both on the collector's cleanup goroutine, so f must
// not block. Default: off; what is dropped then stays open until its call's
// context ends, or Close, which reports it in any case.
//
// A sink or stream with an operation outstanding is not dropped. Do not use
// this inside a testing/synctest bubble: cleanups run outside of it.
func WithLeakHandler(f func(Leak)) Option {
	return optionFunc(func(c *config) {
		if c.hooks.Leaked = nil; f != nil {
			c.hooks.Leaked = func(l station.Leak) { f(Leak(l)) }
		}
	})
}
