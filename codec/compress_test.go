package codec_test

import (
	"errors"
	"testing"

	"github.com/cqrpc/cqrpc/codec"
)

// named is identity under another name.
type named struct {
	codec.Compressor
	name string
	tag  int
}

func (n named) Name() string { return n.name }

func newNamed(name string, tag int) named { return named{codec.Identity(), name, tag} }

func TestCompressorsLookup(t *testing.T) {
	s := codec.NewCompressors(newNamed("b", 1), newNamed("a", 2), newNamed("b", 3), newNamed("identity", 4))
	for _, test := range []struct {
		name string
		tag  int
		ok   bool
	}{{"a", 2, true}, {"b", 3, true}, {"c", 0, false}, {"", 0, false}, {"A", 0, false}} {
		c, ok := s.Lookup(test.name)
		if ok != test.ok {
			t.Errorf("Lookup(%q) reports %v", test.name, ok)
		}
		if n, _ := c.(named); n.tag != test.tag {
			t.Errorf("Lookup(%q) is compressor %d, want %d", test.name, n.tag, test.tag)
		}
	}
	if c, ok := s.Lookup("identity"); !ok || c != codec.Identity() {
		t.Errorf("identity was replaced by %#v", c)
	}
	if got, want := s.AcceptEncoding(), "identity,b,a"; got != want {
		t.Errorf("AcceptEncoding() = %q, want %q", got, want)
	}
}

func TestDefaultCompressors(t *testing.T) {
	s := codec.DefaultCompressors()
	if got, want := s.AcceptEncoding(), "identity,gzip"; got != want {
		t.Errorf("AcceptEncoding() = %q, want %q", got, want)
	}
	for _, name := range []string{"identity", "gzip"} {
		if c, ok := s.Lookup(name); !ok || c.Name() != name {
			t.Errorf("Lookup(%q) = %v, %v", name, c, ok)
		}
	}
}

func TestEmptyCompressorsHaveIdentity(t *testing.T) {
	for how, s := range map[string]*codec.Compressors{"nil": nil, "zero": {}, "new": codec.NewCompressors()} {
		if got := s.AcceptEncoding(); got != "identity" {
			t.Errorf("%s: AcceptEncoding() = %q", how, got)
		}
		if _, ok := s.Lookup("identity"); !ok {
			t.Errorf("%s: no identity", how)
		}
		if _, ok := s.Lookup("gzip"); ok {
			t.Errorf("%s: has gzip", how)
		}
	}
}

func TestNewCompressorsRefusesIllegalNames(t *testing.T) {
	for _, name := range []string{"", "GZIP", "a,b", "a b", "é"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("name %q did not panic", name)
				}
			}()
			codec.NewCompressors(newNamed(name, 0))
		}()
	}
}

func TestIdentity(t *testing.T) {
	c := codec.Identity()
	b, err := c.Compress([]byte("kept "), []byte("data"))
	if err != nil || string(b) != "kept data" {
		t.Errorf("Compress = %q, %v", b, err)
	}
	for _, test := range []struct {
		max  int
		want string
		ok   bool
	}{{-1, "kept data", true}, {5, "kept data", true}, {4, "kept data", true}, {3, "kept ", false}, {0, "kept ", false}} {
		b, err := c.Decompress([]byte("kept "), []byte("data"), test.max)
		if string(b) != test.want || (err == nil) != test.ok || !test.ok && !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("Decompress with limit %d = %q, %v", test.max, b, err)
		}
	}
}
