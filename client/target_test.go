package client

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct{ text, network, address, authority string }{
		{"example.org:50051", "tcp", "example.org:50051", "example.org:50051"},
		{"example.org", "tcp", "example.org:443", "example.org"},
		{"dns:example.org", "tcp", "example.org:443", "example.org"},
		{"dns:example.org:80", "tcp", "example.org:80", "example.org:80"},
		{"dns:///example.org:80", "tcp", "example.org:80", "example.org:80"},
		{"dns://192.0.2.53/example.org:80", "tcp", "example.org:80", "example.org:80"},
		{"127.0.0.1:80", "tcp", "127.0.0.1:80", "127.0.0.1:80"},
		{"ipv4:127.0.0.1:80", "tcp", "127.0.0.1:80", "127.0.0.1:80"},
		{"ipv4:127.0.0.1", "tcp", "127.0.0.1:443", "127.0.0.1"},
		{"ipv6:[2001:db8::1]:80", "tcp", "[2001:db8::1]:80", "[2001:db8::1]:80"},
		{"ipv6:[2001:db8::1]", "tcp", "[2001:db8::1]:443", "[2001:db8::1]"},
		{"ipv6:2001:db8::1", "tcp", "[2001:db8::1]:443", "[2001:db8::1]"},
		{"[::1]:80", "tcp", "[::1]:80", "[::1]:80"},
		{"::1", "tcp", "[::1]:443", "[::1]"},
		{"[fe80::1%eth0]:80", "tcp", "[fe80::1%eth0]:80", "[fe80::1%eth0]:80"},
		{":80", "tcp", ":80", "localhost:80"},
		{"passthrough:///any thing", "tcp", "any thing", "any thing"},
		{"passthrough:any", "tcp", "any", "any"},
		{"unix:run/x.sock", "unix", "run/x.sock", "localhost"},
		{"unix:/run/x.sock", "unix", "/run/x.sock", "localhost"},
		{"unix:///run/x.sock", "unix", "/run/x.sock", "localhost"},
		{"unix-abstract:x", "unix", "@x", "localhost"},
	} {
		got, err := parseTarget(tt.text)
		want := target{text: tt.text, network: tt.network, address: tt.address, authority: tt.authority}
		want.isHost = tt.network == "tcp" && !strings.HasPrefix(tt.text, "passthrough:")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseTarget(%q) = %+v, %v; want %+v", tt.text, got, err, want)
		}
	}
}

func TestParseTargetWithAddresses(t *testing.T) {
	for text, want := range map[string][]string{
		"ipv4:192.0.2.1:80,192.0.2.2,192.0.2.1:81": {"192.0.2.1:80", "192.0.2.2:443", "192.0.2.1:81"},
		"ipv6:[2001:db8::1]:80,2001:db8::2":        {"[2001:db8::1]:80", "[2001:db8::2]:443"},
	} {
		got, err := parseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		for name, resolve := range map[string]ipLookup{"with a dialer": nil, "resolved": systemResolver} {
			if all, err := got.addresses(t.Context(), resolve); err != nil || !slices.Equal(all, want) {
				t.Errorf("%s, %s: %q, %v; want %q", text, name, all, err, want)
			}
		}
		if got.authority != want[0] {
			t.Errorf("%s: authority %q", text, got.authority)
		}
	}
}

// A link-local address is nothing without its zone (RFC 4007 section 6).
func TestZonesAreKept(t *testing.T) {
	const want = "[fe80::1%eth0]:50051"
	for _, text := range []string{want, "dns:///" + want, "ipv6:" + want, "passthrough:///" + want} {
		target, err := parseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := target.addresses(t.Context(), systemResolver); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%s: addresses are %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for _, tt := range []struct{ text, why string }{
		{"", "names no host"},
		{"dns:///", "names no host"},
		{"dns:", "names no host"},
		{"passthrough:///", "names no host"},
		{"example.org:", "empty port"},
		{"a:b:c", "no host and port"},
		{"ipv4:127.0.0.1:80,", "names no host"},
		{"ipv4:127.0.0.1:80,[::1]:80", `"[::1]:80" is no ipv4 address`},
		{"ipv4:example.org:80", `"example.org:80" is no ipv4 address`},
		{"ipv6:127.0.0.1:80", `"127.0.0.1:80" is no ipv6 address`},
		{"https://example.org", "unknown scheme"},
		{"xds:///service", "unknown scheme"},
		{"unix:", "names no socket"},
		{"unix://", "names no socket"},
		{"unix-abstract:", "names no socket"},
	} {
		if got, err := parseTarget(tt.text); err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("parseTarget(%q) = %+v, %v; want an error with %q", tt.text, got, err, tt.why)
		}
	}
}

// FuzzParseTarget holds parsing to what dialing relies on: whatever is accepted
// names a network, an address and an authority.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"example.org:80", "dns://8.8.8.8/h:1", "[::1]", "::1%", "unix:///a", "unix-abstract:@", "ipv6:[::]:0",
		"//", "x:", "]:1", "dns://no-slash",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTarget(text)
		if err != nil {
			return
		}
		if got.text != text || got.address == "" || got.authority == "" || got.network != "tcp" && got.network != "unix" {
			t.Errorf("parseTarget(%q) = %+v", text, got)
		}
	})
}

func TestNewChannelWantsPrintableUserAgent(t *testing.T) {
	if ch, err := NewChannel("example.org", WithInsecure(), WithUserAgent("shop\n2")); err == nil {
		t.Errorf("NewChannel = %v with a product that no header can have", ch)
	}
}

func TestNewChannelWantsOneKindOfSecurity(t *testing.T) {
	for words, opts := range map[string][]Option{
		"one of WithInsecure and WithTLS must be given": nil,
		"WithInsecure and WithTLS exclude each other":   {WithInsecure(), WithTLS(nil)},
	} {
		if ch, err := NewChannel("example.org", opts...); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("NewChannel = %v, %v; want %q", ch, err, words)
		}
	}
	if ch, err := NewChannel("", WithInsecure()); err == nil {
		t.Errorf("NewChannel without a target = %v", ch)
	}
}
