package otelcqrpc

import (
	"sync"
	"sync/atomic"
)

// memo remembers what is the same for all calls that are alike. Safe for concurrent use.
type memo[K comparable, V any] struct {
	known sync.Map // K to V
	count atomic.Int64
}

// maxKnown is how many values are remembered. Those beyond are made anew for each call,
// so that peers that invent names take no memory here.
const maxKnown = 4096

func (m *memo[K, V]) get(key K, make func() V) V {
	if v, ok := m.known.Load(key); ok {
		return v.(V)
	}
	v := make()
	if m.count.Load() < maxKnown {
		if _, isKnown := m.known.LoadOrStore(key, v); !isKnown {
			m.count.Add(1)
		}
	}
	return v
}
