package transport

import (
	"math"
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		c := Config{}.resolved(side)
		for _, f := range []struct {
			name      string
			got, want any
		}{
			{"MaxConcurrentStreams", c.MaxConcurrentStreams, 1000},
			{"InitialWindow", c.InitialWindow, 65535},
			{"InitialConnWindow", c.InitialConnWindow, 1 << 20},
			{"MaxWindow", c.MaxWindow, 16 << 20},
			{"MaxFrameSize", c.MaxFrameSize, 16384},
			{"grownFrame", c.grownFrame, 256 << 10},
			{"MaxHeaderList", c.MaxHeaderList, 16384},
			{"HeaderTableSize", c.HeaderTableSize, 4096},
			{"HandshakeTimeout", c.HandshakeTimeout, 20 * time.Second},
			{"DrainTimeout", c.DrainTimeout, 20 * time.Second},
			{"BusyPoll", c.BusyPoll, 100 * time.Microsecond},
			{"LingerTimeout", c.LingerTimeout, time.Second},
			{"Keepalive.Timeout", c.Keepalive.Timeout, 20 * time.Second},
			{"Keepalive.Time", c.Keepalive.Time, map[Side]time.Duration{Client: 0, Server: 2 * time.Hour}[side]},
			{"Enforcement.MinTime", c.Enforcement.MinTime, 5 * time.Minute},
			{"Enforcement.MaxStrikes", c.Enforcement.MaxStrikes, 2},
			{"FirstStreamID", c.FirstStreamID, uint32(1)},
		} {
			if f.got != f.want {
				t.Errorf("%v: %s is %v; want %v", side, f.name, f.got, f.want)
			}
		}
		if c.Logger == nil || c.Jitter == nil {
			t.Errorf("%v: no Logger or Jitter", side)
		}
	}
}

func TestConfigBounds(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		got  func(Config) int
		want int
	}{
		{"more streams than there are", Config{MaxConcurrentStreams: math.MaxInt},
			func(c Config) int { return c.MaxConcurrentStreams }, 1 << 30},
		{"any number of streams", Config{MaxConcurrentStreams: math.MinInt},
			func(c Config) int { return c.MaxConcurrentStreams }, -1},
		{"a window below the protocol's default", Config{InitialWindow: 10},
			func(c Config) int { return c.InitialWindow }, 65535},
		{"a window past the protocol's limit", Config{InitialWindow: math.MaxInt},
			func(c Config) int { return c.InitialWindow }, 1<<31 - 1},
		{"a connection window too small", Config{InitialConnWindow: 1},
			func(c Config) int { return c.InitialConnWindow }, 65535},
		{"a connection window too large", Config{InitialConnWindow: math.MaxInt},
			func(c Config) int { return c.InitialConnWindow }, 1<<31 - 1},
		{"growth past the protocol's limit", Config{MaxWindow: math.MaxInt}, func(c Config) int { return c.MaxWindow },
			1 << 30},
		{"growth off", Config{MaxWindow: -1}, func(c Config) int { return c.MaxWindow }, 0},
		{"small frames", Config{MaxFrameSize: 1}, func(c Config) int { return c.MaxFrameSize }, 16384},
		{"large frames", Config{MaxFrameSize: 1 << 24}, func(c Config) int { return c.MaxFrameSize }, 1<<24 - 1},
		{"polls that are too long", Config{BusyPoll: time.Hour}, func(c Config) int { return int(c.BusyPoll) }, 1e6},
		{"no polls", Config{BusyPoll: -1}, func(c Config) int { return int(c.BusyPoll) }, 0},
		{"no header table", Config{HeaderTableSize: -1}, func(c Config) int { return c.HeaderTableSize }, 0},
		{"unlimited streams", Config{MaxConcurrentStreams: -1}, func(c Config) int { return c.MaxConcurrentStreams }, -1},
	} {
		if got := tc.got(tc.cfg.resolved(Server)); got != tc.want {
			t.Errorf("%s: %d; want %d", tc.name, got, tc.want)
		}
	}
}

func TestKeepaliveFloor(t *testing.T) {
	for _, tc := range []struct {
		side       Side
		time, want time.Duration
	}{
		{Client, time.Second, 10 * time.Second},
		{Client, time.Minute, time.Minute},
		{Client, -1, -1},
		{Server, time.Millisecond, time.Second},
		{Server, -1, -1},
	} {
		if got := (Keepalive{Time: tc.time}).resolved(tc.side).Time; got != tc.want {
			t.Errorf("%v with %v: %v; want %v", tc.side, tc.time, got, tc.want)
		}
	}
}
