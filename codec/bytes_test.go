package codec_test

import (
	"testing"

	"github.com/cqrpc/cqrpc/codec"
)

func TestBytesPassThrough(t *testing.T) {
	c := codec.Bytes()
	if c.Name() != "bytes" {
		t.Errorf("Name() = %q", c.Name())
	}
	raw := []byte("\x00raw\xff")
	for _, v := range []any{raw, &raw} {
		if b := mustAppend(t, c, []byte("kept"), v); string(b) != "kept\x00raw\xff" {
			t.Errorf("Append(%T) = %q", v, b)
		}
		if size := c.Size(v); size != len(raw) {
			t.Errorf("Size(%T) = %d, want %d", v, size, len(raw))
		}
	}
	if b := mustAppend(t, c, nil, []byte(nil)); len(b) != 0 {
		t.Errorf("Append of nil bytes = %q", b)
	}
}

func TestBytesNamed(t *testing.T) {
	for _, name := range []string{"", "proto", "bytes"} {
		c := codec.BytesNamed(name)
		if c.Name() != name {
			t.Errorf("BytesNamed(%q).Name() = %q", name, c.Name())
		}
		if b := mustAppend(t, c, nil, []byte("raw")); string(b) != "raw" {
			t.Errorf("BytesNamed(%q).Append = %q", name, b)
		}
	}
}

func TestBytesUnmarshalCopies(t *testing.T) {
	c := codec.Bytes()
	got := make([]byte, 10, 100)
	first := &got[0]
	data := []byte("data")
	if err := c.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if string(got) != "data" {
		t.Errorf("got %q, want a copy of data", got)
	}
	if &got[0] != first {
		t.Error("the capacity of the target was not used again")
	}
	if err := c.Unmarshal(nil, &got); err != nil || len(got) != 0 {
		t.Errorf("an empty message gave %q, %v", got, err)
	}
}

func TestBytesRefusesOtherTypes(t *testing.T) {
	c := codec.Bytes()
	for _, v := range []any{nil, "text", 42, (*[]byte)(nil)} {
		if b, err := c.Append([]byte("kept"), v); err == nil || string(b) != "kept" {
			t.Errorf("Append(%T) = %q, %v; want kept and an error", v, b, err)
		}
		if size := c.Size(v); size != 0 {
			t.Errorf("Size(%T) = %d, want 0", v, size)
		}
	}
	for _, v := range []any{nil, "text", []byte("by value"), (*[]byte)(nil)} {
		if err := c.Unmarshal([]byte("x"), v); err == nil {
			t.Errorf("Unmarshal into %T was accepted", v)
		}
	}
}

func BenchmarkBytesUnmarshal(b *testing.B) {
	c, data, got := codec.Bytes(), make([]byte, 1024), []byte(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := c.Unmarshal(data, &got); err != nil {
			b.Fatal(err)
		}
	}
}
