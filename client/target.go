package client

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/cqrpc/cqrpc/client/resolver"
)

// target is a parsed channel target (gRPC naming.md): where to dial and which
// authority requests carry by default.
type target struct {
	text      string // as given
	network   string // for net.Dialer: "tcp" or "unix"
	address   string
	others    []string // further addresses, to be tried after it
	isHost    bool     // address is a host, which may have many addresses, and a port
	authority string
}

// parseTarget understands "host:port", "dns:///host:port", "passthrough:///addr",
// "ipv4:addr:port,…", "ipv6:[addr]:port,…", "unix:path", "unix:///path" and
// "unix-abstract:name".
func parseTarget(text string) (target, error) {
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return hostTarget(text, text)
	}
	switch scheme {
	case "dns":
		return hostTarget(text, strings.TrimPrefix(stripAuthority(rest), "/"))
	case "passthrough":
		return verbatimTarget(text, strings.TrimPrefix(stripAuthority(rest), "/"))
	case "ipv4", "ipv6":
		return listTarget(text, scheme, rest)
	case "unix":
		return unixTarget(text, strings.TrimPrefix(rest, "//"))
	case "unix-abstract":
		return unixTarget(text, "@"+rest)
	}
	if strings.HasPrefix(rest, "//") {
		return target{}, fmt.Errorf("target %q: unknown scheme %q", text, scheme)
	}
	return hostTarget(text, text)
}

// foreignTarget is a target for the user's own resolver, whatever its scheme.
func foreignTarget(text string) (target, error) {
	name := resolver.Name(text)
	if name == "" {
		return target{}, fmt.Errorf("target %q names nothing", text)
	}
	return target{text: text, address: text, authority: encodeAuthority(name)}, nil
}

// encodeAuthority percent-encodes a name for use in an authority (RFC 3986 section 3.2):
// "a%2Fb" for "a/b".
func encodeAuthority(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		isLetter := 'a' <= c|0x20 && c|0x20 <= 'z'
		isDigit := '0' <= c && c <= '9'
		if isLetter || isDigit || strings.IndexByte("-._~!$&'()*+,;=:[]@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// stripAuthority drops the "//authority" of a URI, which names a DNS server
// that this resolver does not use.
func stripAuthority(rest string) string {
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if i := strings.IndexByte(after, '/'); i >= 0 {
			return after[i:]
		}
		return after
	}
	return rest
}

// verbatimTarget leaves the address to the dialer.
func verbatimTarget(text, address string) (target, error) {
	if address == "" {
		return target{}, fmt.Errorf("target %q names no host", text)
	}
	return target{text: text, network: "tcp", address: address, authority: address}, nil
}

// hostTarget is a name or IP address and a port, by default 443. The authority
// stays as it was given: a server may tell "host" from "host:443".
func hostTarget(text, hostPort string) (target, error) {
	if hostPort == "" {
		return target{}, fmt.Errorf("target %q names no host", text)
	}
	authority := hostPort
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]"), "443"
		if strings.ContainsRune(host, ':') {
			authority = "[" + host + "]"
		}
	}
	switch {
	case strings.ContainsRune(host, ':') && !isIPv6(host):
		return target{}, fmt.Errorf("target %q is no host and port", text)
	case port == "":
		return target{}, fmt.Errorf("target %q has an empty port", text)
	case host == "": // net dials this machine
		authority = "localhost" + hostPort
	}
	address := net.JoinHostPort(host, port)
	return target{text: text, network: "tcp", address: address, isHost: true, authority: authority}, nil
}

func isIPv6(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is6()
}

// listTarget is addresses of one family, in the order in which they are tried. The
// first is the authority.
func listTarget(text, scheme, list string) (target, error) {
	var t target
	for i, one := range strings.Split(list, ",") {
		next, err := hostTarget(text, one)
		if err != nil {
			return target{}, err
		}
		host, _, _ := net.SplitHostPort(next.address)
		if a, err := netip.ParseAddr(host); err != nil || a.Is4() != (scheme == "ipv4") {
			return target{}, fmt.Errorf("target %q: %q is no %s address", text, one, scheme)
		}
		if i == 0 {
			t = next
		} else {
			t.others = append(t.others, next.address)
		}
	}
	return t, nil
}

func unixTarget(text, path string) (target, error) {
	if path == "" || path == "@" {
		return target{}, fmt.Errorf("target %q names no socket", text)
	}
	return target{text: text, network: "unix", address: path, authority: "localhost"}, nil
}
