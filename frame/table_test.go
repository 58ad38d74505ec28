package frame

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// The static table is the one that x/net's decoder has.
func TestStaticTable(t *testing.T) {
	for i := 1; i < len(staticTable); i++ {
		fields, err := hpack.NewDecoder(0, nil).DecodeFull(appendInteger(nil, 0x80, 7, uint64(i)))
		want := []Field{{Name: staticTable[i].name, Value: staticTable[i].value}}
		if err != nil || !slices.Equal(fields, want) {
			t.Errorf("%d: %v, %v, want %v", i, fields, err, want)
		}
		if got, ok := findStatic(staticTable[i], true); got != i || !ok {
			t.Errorf("%v is found at %d", staticTable[i], got)
		}
	}
	if len(staticTable) != 62 {
		t.Errorf("%d entries, want 61", len(staticTable)-1)
	}
}

// Whatever is encoded, and whatever the size of the table, the octets are those
// of x/net's encoder, and its decoder reads them back.
func TestEncoderLikeXNet(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var ours fieldEncoder
		ours.table.max = defaultHeaderTable
		var theirs bytes.Buffer
		enc := hpack.NewEncoder(&theirs)
		dec := hpack.NewDecoder(defaultHeaderTable, nil)
		for range 100 {
			if rnd.IntN(20) == 0 {
				n := []uint32{0, 100, 300, 4096, 1 << 20}[rnd.IntN(5)]
				if ours.setTableSize(n); min(n, defaultHeaderTable) != enc.MaxDynamicTableSize() {
					enc.SetMaxDynamicTableSize(0)
					enc.SetMaxDynamicTableSize(n)
				}
			}
			f := randomField(rnd)
			named := ours.named
			got := ours.encode(nil, &f)
			ours.named, named = named, ours.named
			f.Sensitive = f.Sensitive || !ours.indexable(&f) // which is ours to say
			ours.named = named
			theirs.Reset()
			if err := enc.WriteField(f); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, theirs.Bytes()) {
				t.Fatalf("seed %d: %v is % x, want % x", seed, f, got, theirs.Bytes())
			}
			back, err := dec.DecodeFull(got)
			if err != nil || len(back) != 1 || back[0].Name != f.Name || back[0].Value != f.Value {
				t.Fatalf("seed %d: %v is read as %v, %v", seed, f, back, err)
			}
		}
	}
}

// randomField has a name of the static table, of gRPC, or any, and a value that
// may come again.
func randomField(rnd *rand.Rand) Field {
	f := Field{Sensitive: rnd.IntN(10) == 0}
	switch rnd.IntN(4) {
	case 0:
		e := staticTable[1+rnd.IntN(len(staticTable)-1)]
		f.Name, f.Value = e.name, e.value
	case 1:
		f.Name = []string{"grpc-timeout", "grpc-message", "grpc-status", "x-bin", ":path", "te"}[rnd.IntN(6)]
	default:
		f.Name = fmt.Sprintf("key-%d", rnd.IntN(50))
	}
	if f.Value == "" || rnd.IntN(2) == 0 {
		f.Value = strings.Repeat(string(rune(' '+rnd.IntN(90))), rnd.IntN(8)*rnd.IntN(30))
	}
	return f
}
