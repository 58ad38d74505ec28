package cqrpc_test

import (
	"testing"

	"github.com/cqrpc/cqrpc"
)

func TestCodeStringIsTheSpelledName(t *testing.T) {
	for _, test := range []struct {
		code cqrpc.Code
		want string
	}{
		{cqrpc.CodeOK, "OK"},
		{cqrpc.CodeCanceled, "CANCELLED"},
		{cqrpc.CodeNotFound, "NOT_FOUND"},
		{cqrpc.CodeUnauthenticated, "UNAUTHENTICATED"},
		{17, "CODE(17)"},
		{1<<32 - 1, "CODE(4294967295)"},
	} {
		if got := test.code.String(); got != test.want {
			t.Errorf("Code(%d).String() = %q, want %q", uint32(test.code), got, test.want)
		}
	}
}

func TestEveryKnownCodeHasItsOwnName(t *testing.T) {
	seen := make(map[string]cqrpc.Code)
	for c := cqrpc.CodeOK; c <= cqrpc.CodeUnauthenticated; c++ {
		name := c.String()
		if other, dup := seen[name]; dup || name == "" {
			t.Errorf("codes %d and %d are both called %q", other, c, name)
		}
		seen[name] = c
	}
}

func TestParseCode(t *testing.T) {
	for _, test := range []struct {
		in   string
		want cqrpc.Code
		ok   bool
	}{
		{"0", cqrpc.CodeOK, true},
		{"5", cqrpc.CodeNotFound, true},
		{"16", cqrpc.CodeUnauthenticated, true},
		{"005", cqrpc.CodeNotFound, true}, // 1*DIGIT
		{"", cqrpc.CodeUnknown, false},
		{"17", cqrpc.CodeUnknown, false},
		{"-1", cqrpc.CodeUnknown, false},
		{"+1", cqrpc.CodeUnknown, false},
		{" 1", cqrpc.CodeUnknown, false},
		{"1 ", cqrpc.CodeUnknown, false},
		{"0x1", cqrpc.CodeUnknown, false},
		{"NOT_FOUND", cqrpc.CodeUnknown, false},
		{"4294967296", cqrpc.CodeUnknown, false}, // 0 in 32 bits
		{"4294967301", cqrpc.CodeUnknown, false}, // 5 in 32 bits
		{"99999999999999999999999", cqrpc.CodeUnknown, false},
	} {
		got, ok := cqrpc.ParseCode(test.in)
		if got != test.want || ok != test.ok {
			t.Errorf("ParseCode(%q) = %v, %v; want %v, %v", test.in, got, ok, test.want, test.ok)
		}
	}
}
