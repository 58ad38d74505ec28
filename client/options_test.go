package client

import (
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
