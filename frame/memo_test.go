package frame

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestKeepsTable(t *testing.T) {
	long := strings.Repeat("v", 300)
	for _, test := range []struct {
		name, block string
		want        bool
	}{
		{"nothing", "", true},
		{"indexed", "\x82\x86", true},
		{"indexed, two octets", "\xff\x10", true},
		{"literal, new name", "\x00\x01a\x01b", true},
		{"literal, never indexed, indexed name", "\x1f\x01\x01b", true},
		{"literal, long value", "\x04\x7f\xad\x01" + long, true},
		{"Huffman", "\x04\x83\x01\x02\x03\x82", true},
		{"added", "\x40\x01a\x01b", false},
		{"added behind others", "\x82\x04\x01b\x41\x01b", false},
		{"size", "\x20\x82", false},
		{"size, before what could be a value", "\x21\x00", false},
		{"cut integer", "\xff", false},
		{"cut string", "\x00\x01a\x05b", false},
		{"no value", "\x00\x01a", false},
		{"integer without end", "\xff" + strings.Repeat("\x80", 20), false},
	} {
		if got := keepsTable([]byte(test.block)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// known reads all frames and returns which had a known block.
func known(t *testing.T, in string) (which []bool) {
	t.Helper()
	r := NewReader(strings.NewReader(in), ReaderConfig{})
	for {
		f, err := r.Next()
		if err != nil {
			return which
		}
		which = append(which, f.Headers.Known != nil)
		if k := f.Headers.Known; k != nil && !slices.Equal(k.fields, f.Headers.Fields) {
			t.Errorf("a known block has fields %v, lends %v", k.fields, f.Headers.Fields)
		}
	}
}

func TestABlockIsKnownWhenItComesAgain(t *testing.T) {
	const request, other, add = "\x83\x86", "\x83\x87", "\x83\x40\x01a\x01b"
	frames := func(blocks ...string) (in string) {
		for i, b := range blocks {
			in += blockFrames(uint32(2*i+1), b, 16384)
		}
		return in
	}
	for _, test := range []struct {
		name   string
		blocks []string
		want   []bool
	}{
		{"the third time", []string{request, request, request, request}, []bool{false, false, true, true}},
		{"among others", []string{request, other, request, other, other, request},
			[]bool{false, false, false, false, true, true}},
		{"not when the table changes", []string{request, request, request, add, request}, []bool{false, false, true, false, false}},
		{"never what changes the table", []string{add, add, add, add}, []bool{false, false, false, false}},
	} {
		if got := known(t, frames(test.blocks...)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// A known block that refers to the table is decoded again when the table has changed, however that came.
func TestKnownBlocksFollowTheTable(t *testing.T) {
	const add, newest = "\x40\x01a\x01b", "\xbe" // the field that was added last
	large := "\x40\x01c\x7f\xd9\x04" + strings.Repeat("v", 127+0x59+4*128)
	for _, test := range []struct {
		name, change, newest string
	}{
		{"a block", blockFrames(9, "\x40\x01c\x01d", 16384), "c"},
		{"a block in two frames", blockFrames(9, "\x40\x01c\x01d", 3), "c"},
		{"a large block", blockFrames(9, large, 16384), "c"},
		{"a malformed block", blockFrames(9, "\x40\x01C\x01d", 16384), "C"},
	} {
		in := blockFrames(1, add, 16384)
		for id := uint32(3); id < 9; id += 2 {
			in += blockFrames(id, newest, 16384)
		}
		in += test.change + blockFrames(11, newest, 16384)
		r := NewReader(strings.NewReader(in), ReaderConfig{})
		var names []string
		for {
			f, err := r.Next()
			if err != nil {
				break
			}
			names = append(names, f.Headers.Fields[0].Name)
		}
		if want := []string{"a", "a", "a", "a", test.newest, test.newest}; !slices.Equal(names, want) {
			t.Errorf("%s: fields %q, want %q", test.name, names, want)
		}
	}
}

func TestMalformedBlocksAreNotKnown(t *testing.T) {
	var in string
	for id := uint32(1); id < 9; id += 2 {
		in += blockFrames(id, "\x00\x01A\x01b", 16384)
	}
	r := NewReader(strings.NewReader(in), ReaderConfig{})
	for i := range 4 {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Headers.Err == nil {
			t.Errorf("block %d has passed with a name in upper case", i)
		}
	}
}

func TestMemoIsBounded(t *testing.T) {
	var in string
	for round := range 3 {
		for i := range 2 * maxKnown {
			in += blockFrames(uint32(2*(round*100+i)+1), fmt.Sprintf("\x83\x04\x02%02d", i), 16384)
			in += blockFrames(uint32(2*(round*100+i)+1), fmt.Sprintf("\x83\x04\x02%02d", i), 16384)
		}
	}
	r := NewReader(strings.NewReader(in), ReaderConfig{})
	for {
		if _, err := r.Next(); err != nil {
			break
		}
		if n := len(r.block.memo.blocks); n > maxKnown {
			t.Fatalf("%d blocks are known", n)
		}
	}
	if len(r.block.memo.blocks) != maxKnown {
		t.Errorf("%d blocks are known in the end", len(r.block.memo.blocks))
	}
}

func TestLargeBlocksAreNotKnown(t *testing.T) {
	block := "\x83\x04\x7f\xd9\x04" + strings.Repeat("p", 127+0x59+4*128)
	in := blockFrames(1, block, 16384) + blockFrames(3, block, 16384) + blockFrames(5, block, 16384)
	if got := known(t, in); slices.Contains(got, true) || len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// Whether a known block is legal depends on more than its fields.
func TestKnownBlocksAreChecked(t *testing.T) {
	fields := []Field{{Name: "grpc-status", Value: "0"}}
	h := Headers{StreamID: 1, Fields: fields, End: true, Known: &Known{fields: fields}}
	if err := CheckTrailers(&h); err != nil {
		t.Fatal(err)
	}
	if h.End = false; CheckTrailers(&h) == nil {
		t.Error("trailers without END_STREAM have passed because they had it before")
	}
	if CheckRequest(&h) == nil || CheckResponse(&h) == nil {
		t.Error("trailers have passed as headers")
	}
	h.Err = errors.New("x")
	if h.End = true; CheckTrailers(&h) == nil {
		t.Error("an error was forgotten")
	}
	h = Headers{StreamID: 1, Fields: []Field{{Name: ":status", Value: "100"}}, Known: new(Known)}
	if err := CheckResponse(&h); err != nil {
		t.Fatal(err)
	}
	if h.End = true; CheckResponse(&h) == nil {
		t.Error("an informational response with END_STREAM has passed because it had none before")
	}
}

// FuzzMemo reads blocks, each several times, and compares with a decoder that
// remembers nothing.
func FuzzMemo(f *testing.F) {
	f.Add([]byte("\x03\x82\x86\x84\x03\x82\x86\x84\x05\x40\x01a\x01b\x02\xbe\x82\x02\xbe\x82"))
	f.Add([]byte("\x01\xbe\x05\x40\x01a\x01b\x01\xbe\x01\xbe\x01\xbe\x05\x40\x01c\x01d\x01\xbe\x01\xbe\x01\xbf"))
	f.Add([]byte("\x04\x04\x82\x01\x02\x02\x20\x82\x02\x3f\x00\x01\x82"))
	f.Fuzz(func(t *testing.T, program []byte) {
		var blocks [][]byte
		for len(program) > 0 && len(blocks) < 64 {
			n := min(int(program[0]%32), len(program)-1)
			blocks = append(blocks, program[1:1+n])
			program = program[1+n:]
		}
		var in bytes.Buffer
		for i := range 3 * len(blocks) {
			// A few behind each other, then on to the next: b0 b0 b1 b0 b1 b2 ...
			b := blocks[(i/3+[]int{0, 0, len(blocks) - 1}[i%3])%len(blocks)]
			in.WriteString(rawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, uint32(2*i+1), string(b)))
		}
		compareWithPlainDecoder(t, blocks, in.Bytes())
	})
}

func compareWithPlainDecoder(t *testing.T, blocks [][]byte, in []byte) {
	t.Helper()
	r := NewReader(bytes.NewReader(in), ReaderConfig{})
	var want []Field
	plain := hpack.NewDecoder(defaultHeaderTable, func(f Field) { want = append(want, f) })
	for i := range 3 * len(blocks) {
		b := blocks[(i/3+[]int{0, 0, len(blocks) - 1}[i%3])%len(blocks)]
		want = nil
		_, err := plain.Write(b)
		err = errors.Join(err, plain.Close())
		f, got := r.Next()
		if (err != nil) != (got != nil) {
			t.Fatalf("block %d, %x: %v, want %v", i, b, got, err)
		}
		if err != nil {
			return
		}
		if f.Headers.Err == nil && !slices.Equal(f.Headers.Fields, want) {
			t.Fatalf("block %d, %x: %v, want %v", i, b, f.Headers.Fields, want)
		}
	}
}

func TestSharedListsAreEncodedAsOthers(t *testing.T) {
	fill := func(l *HeaderList) *HeaderList {
		l.Add(":status", "200")
		l.Add("content-type", "application/grpc")
		return l
	}
	shared := ShareHeaderList(fill(NewHeaderList()))
	extended := shared.Extend()
	extended.Add("k", "v")
	w := NewWriter()
	var got [][]Field
	dec := hpack.NewDecoder(defaultHeaderTable, nil)
	send := func(l *HeaderList) {
		start := w.Len()
		w.HeaderList(1, l, false)
		fields, err := dec.DecodeFull(w.buf[start+headerLen:])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fields)
	}
	for range 4 {
		send(shared)
	}
	if len(w.fields.known.of) != 1 {
		t.Errorf("%d lists are remembered, want 1", len(w.fields.known.of))
	}
	send(extended) // adds to the table, behind what is remembered
	send(shared)
	w.SetHeaderTableSize(0)
	send(shared)
	w.SetHeaderTableSize(4096)
	send(shared)
	w.Forget()
	send(shared)
	send(extended)
	want := slices.Collect(shared.All())
	for i, fields := range got {
		want := want
		if i == 4 || i == len(got)-1 {
			want = slices.Collect(extended.All())
		}
		for i := range fields {
			fields[i].Sensitive = false
		}
		if !slices.Equal(fields, want) {
			t.Errorf("block %d: %v, want %v", i, fields, want)
		}
	}
}

// A change of the table's size, which the first field announces, is not remembered with the list.
func TestSharedListIsRememberedWithoutAResize(t *testing.T) {
	draft := NewHeaderList()
	draft.Add(":status", "200") // in the static table, so it adds nothing to the dynamic one
	shared := ShareHeaderList(draft)
	draft.Free()
	w := NewWriter()
	blockLen(t, w, Field{Name: "k", Value: "v"})
	w.SetHeaderTableSize(100)
	for i, want := range []string{"\x20\x3f\x45\x88", "\x88", "\x88"} {
		w.HeaderList(1, shared, false)
		if got := mustFlush(t, w)[headerLen:]; string(got) != want {
			t.Errorf("block %d is %x, want %x", i, got, want)
		}
	}
}

func TestSharedListsLiveForEver(t *testing.T) {
	l := NewHeaderList()
	l.Add(":status", "200")
	shared := ShareHeaderList(l)
	l.Free()
	for range 3 {
		shared.Ref().Free()
		shared.Free()
	}
	x := shared.Extend()
	x.Add("k", "v")
	y := x.Clone()
	x.Free()
	if shared.Size() != 42 || y.Size() != 42+34 || !y.BeginsMessage() || len(shared.Fields) != 1 {
		t.Errorf("sizes %d, %d", shared.Size(), y.Size())
	}
	y.Free()
}
