package client

import (
	"fmt"
	"net"
	"strings"
)

// target is a parsed channel target (gRPC naming.md): where to dial and which
// authority requests carry by default.
type target struct {
	text      string // as given
	network   string // for net.Dialer: "tcp" or "unix"
	address   string
	authority string
}

// parseTarget understands "host:port", "dns:///host:port", "passthrough:///addr",
// "ipv4:addr:port", "ipv6:[addr]:port", "unix:path", "unix:///path" and
// "unix-abstract:name".
func parseTarget(text string) (target, error) {
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return hostTarget(text, text)
	}
	switch scheme {
	case "dns", "passthrough":
		return hostTarget(text, strings.TrimPrefix(stripAuthority(rest), "/"))
	case "ipv4", "ipv6":
		return hostTarget(text, rest)
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

func hostTarget(text, hostPort string) (target, error) {
	if hostPort == "" {
		return target{}, fmt.Errorf("target %q names no host", text)
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil { // gRPC's default port, as for https
		host, port = strings.Trim(hostPort, "[]"), "443"
		hostPort = net.JoinHostPort(host, port)
	}
	if port == "" {
		return target{}, fmt.Errorf("target %q has an empty port", text)
	}
	return target{text: text, network: "tcp", address: net.JoinHostPort(host, port), authority: hostPort}, nil
}

func unixTarget(text, path string) (target, error) {
	if path == "" || path == "@" {
		return target{}, fmt.Errorf("target %q names no socket", text)
	}
	return target{text: text, network: "unix", address: path, authority: "localhost"}, nil
}
