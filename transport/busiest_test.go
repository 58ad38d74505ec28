package transport

import "testing"

func TestBusiest(t *testing.T) {
	for _, tc := range []struct {
		name        string
		streams     uint32
		loudest     int64 // what stream 1 brings beside the 1000 bytes of each
		least, most int64
	}{
		{"one stream", 1, 0, 1000, 1000},
		{"as many as there are counters", 8, 500, 1500, 1500},
		{"many, and all alike", 100, 0, 1000, 100_000/8 + 1000},
		{"many, and one that is louder", 100, 50_000, 51_000, 51_000 + 150_000/8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b busiest
			for range 10 {
				for id := uint32(1); id <= tc.streams; id++ {
					b.add(id, 100)
				}
				b.add(1, tc.loudest/10)
			}
			b.add(1001, 1) // who comes last matters only if it is the busiest
			if b.most < tc.least || b.most > tc.most {
				t.Errorf("%d bytes; want %d to %d", b.most, tc.least, tc.most)
			}
		})
	}
}
