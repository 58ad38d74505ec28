package client

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/cqrpc/cqrpc/client/resolver"
	"golang.org/x/net/http/httpproxy"
)

// dialFunc makes connections, like net.Dialer.DialContext.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// proxyFunc names the proxy through which a URL is to be reached; nil: none. It has errors only for
// URLs of scheme http.
type proxyFunc func(*url.URL) (*url.URL, error)

// environmentProxy is what the environment says now, nil if it names no proxy.
func environmentProxy() proxyFunc {
	env := httpproxy.FromEnvironment()
	if env.HTTPSProxy == "" {
		return nil
	}
	return env.ProxyFunc()
}

// of is the proxy for a host and port, or a host alone; nil: none. Whatever runs over the
// connection, to a proxy it looks like https (grpc-go does the same).
func (f proxyFunc) of(address string) *url.URL {
	if isThisMachine(address) {
		return nil
	}
	proxy, _ := f(&url.URL{Scheme: "https", Host: strings.ToLower(address)})
	return proxy
}

// isThisMachine reports whether net dials this machine for an address that does not say so: ":80".
// localhost and the loopback addresses are httpproxy's business.
func isThisMachine(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// throughProxy has the channel to t use the proxy of the environment, where there is one for it, and
// returns what is left to resolve here. The name of a host goes to the proxy as it is, and counts alone:
// what is reached directly by its name needs no proxy for its addresses. Addresses that t lists, or that
// a resolver reports, are looked at one by one when they are dialed.
func (c *config) throughProxy(t target) target {
	name := t.address
	if c.resolver != nil {
		name = resolver.Name(t.text)
	}
	isList := len(t.others) > 0
	if c.proxy == nil || t.network == "unix" || !isList && c.proxy.of(name) == nil {
		return t
	}
	c.dial = dialThrough(c.proxy, c.dial)
	t.isHost = false
	return t
}

// dialThrough returns a dialer that uses a proxy for those addresses that have one.
func dialThrough(proxies proxyFunc, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var proxy *url.URL
		if network == "tcp" {
			proxy = proxies.of(address)
		}
		if proxy == nil {
			return dial(ctx, network, address)
		}
		t := tunnel{proxy: proxy, address: address}
		return t.open(ctx, dial)
	}
}
