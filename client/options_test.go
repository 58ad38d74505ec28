package client

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/transport"
)

// The order of options does not matter where one is more special.
func TestKeepaliveWinsOverTransport(t *testing.T) {
	own := transport.Keepalive{Time: time.Minute}
	all := transport.Config{MaxFrameSize: 1 << 20, Keepalive: transport.Keepalive{Time: time.Hour}}
	for name, opts := range map[string][]Option{
		"before": {WithKeepalive(own), WithTransport(all)},
		"after":  {WithTransport(all), WithKeepalive(own)},
	} {
		if cfg := newConfig(opts); cfg.transport.Keepalive != own || cfg.transport.MaxFrameSize != 1<<20 {
			t.Errorf("%s: got %+v", name, cfg.transport)
		}
	}
	if cfg := newConfig([]Option{WithTransport(all)}); cfg.transport.Keepalive != all.Keepalive {
		t.Errorf("alone: got %+v", cfg.transport.Keepalive)
	}
}

// What adapters want to know of a channel.
func TestWhatAChannelSaysOfItself(t *testing.T) {
	for _, tt := range []struct {
		opts      []Option
		authority string
		isSecure  bool
	}{
		{[]Option{WithInsecure()}, "name.test:443", false},
		{[]Option{WithInsecure(), WithAuthority("other.test")}, "other.test", false},
		{[]Option{WithTLS(new(tls.Config))}, "name.test:443", true},
	} {
		ch, err := NewChannel("dns:///name.test:443", tt.opts...)
		if err != nil {
			t.Fatal(err)
		}
		if ch.Authority() != tt.authority || ch.IsSecure() != tt.isSecure {
			t.Errorf("authority %q, secure %v; want %q, %v", ch.Authority(), ch.IsSecure(), tt.authority, tt.isSecure)
		}
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
	}
}
