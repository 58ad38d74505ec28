package client

import (
	"testing"
	"time"
)

// timeoutOf is the time that a call of a method has, without options of its own; 0: no limit.
func timeoutOf(t *testing.T, method string, opts ...Option) time.Duration {
	t.Helper()
	ch, err := NewChannel("dns:///a.test", append(opts, WithInsecure())...)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	cfg := ch.callConfig(method, nil)
	return cfg.timeout
}

func TestMethodOptions(t *testing.T) {
	of := func(name string, d time.Duration) Option { return WithMethodOptions(name, WithTimeout(d)) }
	def := WithDefaultCallOptions(WithTimeout(9))
	for _, tt := range []struct {
		why    string
		method string
		opts   []Option
		want   time.Duration
	}{
		{"none", "/a.B/C", nil, 0},
		{"the channel's", "/a.B/C", []Option{def, of("/a.B/D", 1)}, 9},
		{"after the channel's", "/a.B/C", []Option{of("", 1), def}, 1},
		{"of the service, not of all", "/a.B/C", []Option{of("/a.B/", 2), of("", 1)}, 2},
		{"of the method, not of the service", "/a.B/C", []Option{of("/a.B/C", 3), of("/a.B/", 2), of("", 1)}, 3},
		{"of another service", "/a.Bb/C", []Option{of("/a.B/", 2), of("", 1)}, 1},
		{"the later", "/a.B/C", []Option{of("/a.B/C", 3), of("/a.B/C", 4)}, 4},
		{"alone: the service's do not count", "/a.B/C", []Option{
			of("/a.B/", 2), WithMethodOptions("/a.B/C", WithWaitForReady(true)), def,
		}, 9},
		{"a method without a service", "C", []Option{of("/a.B/", 2), of("", 1)}, 1},
	} {
		if got := timeoutOf(t, tt.method, tt.opts...); got != tt.want {
			t.Errorf("%s: the time of %s is %d; want %d", tt.why, tt.method, got, tt.want)
		}
	}
}

// Options for one name add up, and those that change settings change no other name's.
func TestMethodOptionsAddUp(t *testing.T) {
	ch, err := NewChannel("dns:///a.test", WithInsecure(), WithDefaultCallOptions(WithMaxRecvMessage(10)),
		WithMethodOptions("/a.B/C", WithMaxRecvMessage(20), WithTimeout(1)),
		WithMethodOptions("/a.B/C", WithMaxSendMessage(30)))
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	cfg, other := ch.callConfig("/a.B/C", nil), ch.callConfig("/a.B/D", nil)
	if cfg.Settings.MaxRecvMessage != 20 || cfg.Settings.MaxSendMessage != 30 || cfg.timeout != 1 {
		t.Errorf("they are %d, %d, %d", cfg.Settings.MaxRecvMessage, cfg.Settings.MaxSendMessage, cfg.timeout)
	}
	if other.Settings.MaxRecvMessage != 10 || other.Settings.MaxSendMessage != 0 || other.timeout != 0 {
		t.Errorf("of another method they are %d, %d, %d",
			other.Settings.MaxRecvMessage, other.Settings.MaxSendMessage, other.timeout)
	}
	own := ch.callConfig("/a.B/C", []CallOption{WithMaxRecvMessage(40)})
	if again := ch.callConfig("/a.B/C", nil); own.Settings.MaxRecvMessage != 40 || again.Settings.MaxRecvMessage != 20 {
		t.Errorf("a call's own are %d, and then %d", own.Settings.MaxRecvMessage, again.Settings.MaxRecvMessage)
	}
}

func TestMethodOptionsOfWhat(t *testing.T) {
	for _, name := range []string{"a.B", "/a.B", "a.B/C", "/", "//", "/a.B/C/"} {
		_, err := NewChannel("dns:///a.test", WithInsecure(), WithMethodOptions(name, WithTimeout(1)))
		if err == nil {
			t.Errorf("options of %q are accepted", name)
		}
	}
}
