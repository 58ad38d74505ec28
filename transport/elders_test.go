package transport

import (
	"testing"
	"time"
)

// Each step is a tick: at some time, streams up to last have been opened before.
func TestElders(t *testing.T) {
	for _, tc := range []struct {
		name   string
		steps  []elderStep
		oldest uint32 // the highest that is old
	}{
		{"a moment later", []elderStep{{time.Second, 0}, {time.Second + 100*time.Millisecond, 9}}, 0},
		{"after a silence all are old", []elderStep{{time.Second, 0}, {time.Second + 300*time.Millisecond, 9}}, 9},
		{"without a silence those that were marked", []elderStep{
			{time.Second, 0}, {time.Second + 100*time.Millisecond, 5}, {time.Second + 200*time.Millisecond, 7},
			{time.Second + 300*time.Millisecond, 9}, {time.Second + 500*time.Millisecond, 11},
			{time.Second + 600*time.Millisecond, 13},
		}, 9},
	} {
		var e elders
		for _, s := range tc.steps {
			e.tick(instant(s.at), s.last)
		}
		if !e.has(tc.oldest) || e.has(tc.oldest+1) {
			t.Errorf("%s: streams up to %d are old, want %d", tc.name, e.id, tc.oldest)
		}
	}
}

type elderStep struct {
	at   time.Duration
	last uint32
}
