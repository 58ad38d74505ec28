package client

import (
	"testing"
	"time"
)

// gRFC A8: a channel that was told of too many pings makes half of them. Connections that pinged
// alike say it once.
func TestPingPace(t *testing.T) {
	for _, tt := range []struct {
		name        string
		every       time.Duration
		thrownOut   []time.Duration
		first, then time.Duration
	}{
		{"never", 0, []time.Duration{0}, 0, 0},
		{"too often", time.Second, nil, 10 * time.Second, 10 * time.Second},
		{"once", time.Minute, []time.Duration{time.Minute}, time.Minute, 2 * time.Minute},
		{
			"several alike", time.Minute, []time.Duration{time.Minute, time.Minute, time.Minute},
			time.Minute, 2 * time.Minute,
		},
		{
			"one after the other", time.Minute, []time.Duration{time.Minute, 2 * time.Minute, time.Minute},
			time.Minute, 4 * time.Minute,
		},
	} {
		p := newPingPace(tt.every)
		if got := p.get(); got != tt.first {
			t.Errorf("%s: pinged every %v; want %v", tt.name, got, tt.first)
		}
		for _, did := range tt.thrownOut {
			p.slowDown(did)
		}
		if got := p.get(); got != tt.then {
			t.Errorf("%s: then every %v; want %v", tt.name, got, tt.then)
		}
	}
}
