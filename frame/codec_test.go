package frame

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

func TestAppendTimeout(t *testing.T) {
	const h = time.Hour
	tests := []struct {
		d    time.Duration
		want string
	}{
		{math.MinInt64, "1n"},
		{-time.Second, "1n"},
		{0, "1n"},
		{1, "1n"},
		{999, "999n"},
		{1001, "1010n"},
		{99999999, "100m"},
		{100000000, "100m"},
		{100000001, "101m"},
		{12345 * time.Microsecond, "12400u"},
		{250 * time.Millisecond, "250m"},
		{249980 * time.Microsecond, "250m"}, // of a quarter of a second some is gone
		{999980 * time.Microsecond, "1S"},
		{time.Second, "1S"},
		{1500 * time.Millisecond, "1500m"},
		{1501 * time.Millisecond, "1510m"},
		{89999 * time.Millisecond, "90S"},
		{90 * time.Second, "90S"},
		{time.Minute, "1M"},
		{h, "1H"},
		{100*time.Second - 1, "100S"},
		{27*h + 1, "97300S"},                   // 97 200 s and some
		{99999999*time.Second + 1, "1666667M"}, // 100,000,000s has nine digits
		{math.MaxInt64, "2562048H"},
	}
	for _, test := range tests {
		if got := timeoutOf(test.d); got != test.want {
			t.Errorf("AppendTimeout(%v) = %q, want %q", test.d, got, test.want)
		}
	}
}

func timeoutOf(d time.Duration) string { return string(AppendTimeout(nil, d)) }

func TestParseTimeout(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
	}{
		{"1n", 1}, {"2u", 2000}, {"3m", 3e6}, {"4S", 4e9}, {"5M", 5 * time.Minute}, {"6H", 6 * time.Hour},
		{"0S", 0}, {"00000001S", time.Second}, {"99999999n", 99999999}, {"99999999S", 99999999 * time.Second},
		{"2562047H", 2562047 * time.Hour}, {"2562048H", math.MaxInt64}, {"99999999H", math.MaxInt64},
		{"99999999M", 99999999 * time.Minute},
	}
	for _, test := range tests {
		got, err := ParseTimeout(test.in)
		if err != nil || got != test.want {
			t.Errorf("ParseTimeout(%q) = %v, %v, want %v", test.in, got, err, test.want)
		}
	}
	malformed := []string{
		"", "S", "1", "1s", "1h", "-1S", "+1S", " 1S", "1 S", "1S ", "1.5S", "123456789S", "1SS", "١S",
	}
	for _, in := range malformed {
		_, err := ParseTimeout(in)
		checkText(t, err, fmt.Sprintf("malformed grpc-timeout %q", in))
	}
}

func TestPercent(t *testing.T) {
	tests := []struct{ plain, wire string }{
		{"", ""},
		{"no such user", "no such user"},
		{"100%", "100%25"},
		{"\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
			"%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A"},
		{"not UTF-8 \xff\xfe", "not UTF-8 %FF%FE"},
		{" spaces  at ends ", "%20spaces  at ends%20"},
		{" ", "%20"},
		{"\x00\x1f\x7f~", "%00%1F%7F~"},
	}
	for _, test := range tests {
		if got := string(AppendPercent([]byte("> "), test.plain)); got != "> "+test.wire {
			t.Errorf("AppendPercent(%q) = %q, want %q", test.plain, got, test.wire)
		}
		if got := EncodePercent(test.plain); got != test.wire {
			t.Errorf("EncodePercent(%q) = %q, want %q", test.plain, got, test.wire)
		}
		if got := DecodePercent(test.wire); got != test.plain {
			t.Errorf("DecodePercent(%q) = %q, want %q", test.wire, got, test.plain)
		}
	}
}

func TestDecodePercentIsPermissive(t *testing.T) {
	tests := []struct{ wire, want string }{
		{"%", "%"}, {"a%", "a%"}, {"%4", "%4"}, {"%zz", "%zz"}, {"%4g", "%4g"}, {"%g4", "%g4"}, {"%%41", "%A"},
		{"%e2%98%ba", "☺"}, {"%E2%98%bA", "☺"}, {"☺", "☺"}, {"%41%", "A%"}, {"100% %41", "100% A"},
	}
	for _, test := range tests {
		if got := DecodePercent(test.wire); got != test.want {
			t.Errorf("DecodePercent(%q) = %q, want %q", test.wire, got, test.want)
		}
	}
}

func TestBinary(t *testing.T) {
	tests := []struct{ raw, wire string }{
		{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xfb\xff\xfe", "+//+"}, {"\x00", "AA"},
	}
	for _, test := range tests {
		if got := string(AppendBinary([]byte("> "), test.raw)); got != "> "+test.wire {
			t.Errorf("AppendBinary(%q) = %q, want %q", test.raw, got, test.wire)
		}
		padded := (test.wire + "==")[:(len(test.wire)+3)/4*4]
		for _, wire := range []string{test.wire, padded} {
			if got, err := DecodeBinary(wire); err != nil || got != test.raw {
				t.Errorf("DecodeBinary(%q) = %q, %v, want %q", wire, got, err, test.raw)
			}
		}
	}
	for _, wire := range []string{"Z", "Zg=", "Zg===", "=", "====", "-__-", "Z g", "Zm9v,Zg", "Zg==Zg=="} {
		if got, err := DecodeBinary(wire); err == nil {
			t.Errorf("DecodeBinary(%q) = %q, want an error", wire, got)
		}
	}
}

func TestSplitBinary(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"", []string{""}},
		{"Zg", []string{"Zg"}},
		{"Zg==, Zm8,\tZm9v ", []string{"Zg==", "Zm8", "Zm9v"}},
		{",", []string{"", ""}},
	}
	for _, test := range tests {
		if got := slices.Collect(SplitBinary(test.in)); !slices.Equal(got, test.want) {
			t.Errorf("SplitBinary(%q) = %q, want %q", test.in, got, test.want)
		}
	}
	for range SplitBinary("a,b") {
		break
	}
}
