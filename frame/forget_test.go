package frame

import (
	"testing"

	"golang.org/x/net/http2/hpack"
)

// A Writer that has forgotten starts anew with the peer's table, whatever that
// has been told of its size meanwhile.
func TestForget(t *testing.T) {
	fields := []Field{{Name: "content-type", Value: "application/grpc"}, {Name: "k", Value: "v"}}
	for _, test := range []struct {
		name   string
		before func(w *Writer)
	}{
		{"nothing", func(*Writer) {}},
		{"a block", func(w *Writer) { w.Headers(1, fields, false) }},
		{"two blocks", func(w *Writer) { w.Headers(1, fields, false); w.Headers(3, fields, false) }},
		{"a smaller table", func(w *Writer) { w.SetHeaderTableSize(100); w.Headers(1, fields, false) }},
		{"no table", func(w *Writer) { w.Headers(1, fields, false); w.SetHeaderTableSize(0) }},
	} {
		for _, after := range []uint32{4096, 200, 0} {
			w := NewWriter()
			dec := hpack.NewDecoder(defaultHeaderTable, nil)
			decode := func(from int) (n int) {
				for r := w.buf[from:]; len(r) > 0; {
					size := headerLen + int(r[0])<<16 + int(r[1])<<8 + int(r[2])
					if got, err := dec.DecodeFull(r[headerLen:size]); err != nil || len(got) != len(fields) {
						t.Fatalf("%s, then %d: %v, %v", test.name, after, got, err)
					}
					r, n = r[size:], n+1
				}
				return n
			}
			test.before(w)
			decode(0)
			w.Forget()
			w.Forget()
			w.SetHeaderTableSize(after)
			from := w.Len()
			for range 3 {
				w.Headers(5, fields, true)
			}
			if n := decode(from); n != 3 {
				t.Errorf("%s, then %d: %d blocks", test.name, after, n)
			}
			w.Release()
		}
	}
}
