package cqrpc_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
)

func TestPairsLowersKeys(t *testing.T) {
	got := cqrpc.Pairs("X-Trace", "a", "x-trace", "B")
	want := cqrpc.Metadata{{Key: "x-trace", Value: "a"}, {Key: "x-trace", Value: "B"}}
	if !slices.Equal(got, want) {
		t.Errorf("Pairs = %#v, want %#v", got, want)
	}
}

func TestPairsOddPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Pairs with three strings did not panic")
		}
	}()
	odd := []string{"a", "b", "c"}
	cqrpc.Pairs(odd...) //nolint:staticcheck // it is the mistake to be found
}

func TestMetadataReads(t *testing.T) {
	m := cqrpc.Pairs("a", "1", "b", "", "a", "2")
	if got := m.Get("A"); got != "1" {
		t.Errorf("Get(A) = %q, want the first value, 1", got)
	}
	if got := m.Values("A"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("Values(A) = %q, want 1 2 in order", got)
	}
	if got := m.Values("b"); len(got) != 1 || got[0] != "" {
		t.Errorf("Values(b) = %q, want one empty value", got)
	}
	if got := m.Values("c"); got != nil {
		t.Errorf("Values of an absent key = %q, want nil", got)
	}
	if got := cqrpc.Metadata(nil).Get("a"); got != "" {
		t.Errorf("Get on nil = %q", got)
	}
}

func TestMetadataChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(m *cqrpc.Metadata)
		want   cqrpc.Metadata
	}{
		{"Add keeps order and duplicates", func(m *cqrpc.Metadata) { m.Add("A", "4") },
			cqrpc.Pairs("a", "1", "b", "2", "a", "3", "c", "9", "a", "4")},
		{"Set replaces all in the first's place", func(m *cqrpc.Metadata) { m.Set("A", "x") },
			cqrpc.Pairs("a", "x", "b", "2", "c", "9")},
		{"Set of the last key", func(m *cqrpc.Metadata) { m.Set("c", "x") },
			cqrpc.Pairs("a", "1", "b", "2", "a", "3", "c", "x")},
		{"Set of an absent key appends", func(m *cqrpc.Metadata) { m.Set("D", "x") },
			cqrpc.Pairs("a", "1", "b", "2", "a", "3", "c", "9", "d", "x")},
		{"Del removes all", func(m *cqrpc.Metadata) { m.Del("A") }, cqrpc.Pairs("b", "2", "c", "9")},
		{"Del of an absent key", func(m *cqrpc.Metadata) { m.Del("d") },
			cqrpc.Pairs("a", "1", "b", "2", "a", "3", "c", "9")},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := cqrpc.Pairs("a", "1", "b", "2", "a", "3", "c", "9")
			test.change(&m)
			if !slices.Equal(m, test.want) {
				t.Errorf("got %v, want %v", [](cqrpc.Pair)(m), []cqrpc.Pair(test.want))
			}
		})
	}
}

func TestMetadataCloneSharesNothing(t *testing.T) {
	m := cqrpc.Pairs("a", "1", "b", "2")
	c := m.Clone()
	c.Set("a", "x")
	c.Del("b")
	if want := cqrpc.Pairs("a", "1", "b", "2"); !slices.Equal(m, want) {
		t.Errorf("changing the clone changed the original to %v", m)
	}
	if got := cqrpc.Metadata(nil).Clone(); got != nil {
		t.Errorf("Clone of nil = %#v, want nil", got)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name string
		m    cqrpc.Metadata
		want string // a part of the error, "" for none
	}{
		{"nil", nil, ""},
		{"every legal key byte", cqrpc.Pairs("abcdefghijklmnopqrstuvwxyz0123456789_-.", "v"), ""},
		{"both ends of the value range", cqrpc.Pairs("a", " ~"), ""},
		{"empty value", cqrpc.Pairs("a", ""), ""},
		{"any byte in a -bin value", cqrpc.Pairs("a-bin", "\x00\n\x7f\xff"), ""},
		{"-bin alone is a key", cqrpc.Pairs("-bin", "\x00"), ""},
		{"empty key", cqrpc.Metadata{{Key: "ok", Value: "v"}, {Key: "", Value: "v"}}, "entry 1: empty key"},
		{"pseudo-header", cqrpc.Metadata{{Key: ":path", Value: "/"}}, `key ":path" has illegal byte 0x3a at offset 0`},
		{"upper case", cqrpc.Metadata{{Key: "aBc", Value: "v"}}, `key "aBc" has illegal byte 0x42 at offset 1`},
		{"space in key", cqrpc.Metadata{{Key: "a b", Value: "v"}}, "0x20 at offset 1"},
		{"UTF-8 key", cqrpc.Metadata{{Key: "é", Value: "v"}}, "0xc3 at offset 0"},
		{"illegal byte in a -bin key", cqrpc.Metadata{{Key: "a/-bin", Value: "v"}}, "0x2f at offset 1"},
		{"newline in value", cqrpc.Pairs("a", "x\r\nb: y"), `value of key "a" has illegal byte 0x0d at offset 1`},
		{"DEL in value", cqrpc.Pairs("a", "\x7f"), "0x7f at offset 0"},
		{"UTF-8 in value", cqrpc.Pairs("a", "né"), "0xc3 at offset 1"},
		{"-binary is not -bin", cqrpc.Pairs("a-binary", "\x00"), "0x00 at offset 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.m.Validate()
			switch {
			case err == nil && test.want != "":
				t.Errorf("legal, want an error with %q", test.want)
			case err != nil && test.want == "":
				t.Errorf("illegal: %v", err)
			case err != nil && !strings.Contains(err.Error(), test.want):
				t.Errorf("error %q lacks %q", err, test.want)
			}
		})
	}
}

func TestValidateErrorsAreShortAndKeepSecrets(t *testing.T) {
	secret := strings.Repeat("token", 20)
	err := cqrpc.Pairs("authorization", secret+"\n").Validate()
	if err == nil || strings.Contains(err.Error(), "token") {
		t.Errorf("error %v shows the value", err)
	}
	err = cqrpc.Metadata{{Key: strings.Repeat("k", 10_000) + "!", Value: ""}}.Validate()
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error of a long key has %d bytes", len(err.Error()))
	}
}

func TestMetadataPrintsNoValues(t *testing.T) {
	m := cqrpc.Pairs("authorization", "hunter2", "trace-bin", "\x00\x01")
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("call", "metadata", m)
	for how, text := range map[string]string{
		"%v":        fmt.Sprintf("%v", m),
		"%+v":       fmt.Sprintf("%+v", m),
		"%#v":       fmt.Sprintf("%#v", m),
		"pair %+v":  fmt.Sprintf("%+v", m[0]),
		"pair %#v":  fmt.Sprintf("%#v", m[0]),
		"in struct": fmt.Sprintf("%+v", struct{ M cqrpc.Metadata }{m}),
		"String":    m.String(),
		"slog":      log.String(),
	} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "authorization:7") {
			t.Errorf("%s prints %s", how, text)
		}
	}
	if got, want := m.String(), "[authorization:7 trace-bin:2]"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}

func FuzzValidate(f *testing.F) {
	for _, seed := range [][2]string{{"a", "b"}, {"a-bin", "\xff"}, {":path", "/"}, {"A", "\n"}, {"", ""}} {
		f.Add(seed[0], seed[1])
	}
	const keyBytes = "0123456789abcdefghijklmnopqrstuvwxyz-_."
	f.Fuzz(func(t *testing.T, key, value string) {
		legal := key != "" && strings.Trim(key, keyBytes) == "" &&
			(strings.HasSuffix(key, "-bin") || !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }))
		err := cqrpc.Metadata{{Key: key, Value: value}}.Validate()
		if (err == nil) != legal {
			t.Errorf("key %q value %q: %v, want legal=%v", key, value, err, legal)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	m := cqrpc.Pairs(
		"authorization", strings.Repeat("x", 200),
		"x-request-id", "0123456789abcdef",
		"trace-bin", "\x00\x01",
	)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMetadataGet(b *testing.B) {
	m := cqrpc.Pairs("a", "1", "b", "2", "user-agent", "x")
	b.ReportAllocs()
	for b.Loop() {
		if m.Get("user-agent") == "" {
			b.Fatal("not found")
		}
	}
}
