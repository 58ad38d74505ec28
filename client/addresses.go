package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/cqrpc/cqrpc/client/resolver"
)

// ipLookup finds the addresses of a host, the best first (RFC 6724).
type ipLookup func(ctx context.Context, host string) ([]netip.Addr, error)

// systemResolver leaves an IP address as it is: LookupNetIP drops its zone, without which a link-local
// address cannot be connected to (RFC 4007 section 6).
func systemResolver(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// addresses are what to dial for t, in the order of the attempts. If resolve is nil, or t
// names no host, that is what t says.
func (t *target) addresses(ctx context.Context, resolve ipLookup) ([]string, error) {
	if len(t.others) > 0 {
		return append([]string{t.address}, t.others...), nil
	}
	if resolve == nil || !t.isHost {
		return []string{t.address}, nil
	}
	host, port, err := net.SplitHostPort(t.address)
	if err != nil || host == "" { // net dials this machine
		return []string{t.address}, nil //nolint:nilerr // the dialer says what is wrong
	}
	ips, err := resolve(ctx, host)
	switch {
	case err != nil:
		return nil, fmt.Errorf("resolve %s: %w", t.address, err)
	case len(ips) == 0:
		return nil, fmt.Errorf("resolve %s: the name has no addresses", t.address)
	}
	var texts []string
	for _, ip := range interleave(ips) {
		texts = append(texts, net.JoinHostPort(ip.String(), port))
	}
	return texts, nil
}

// resolved is addresses, with their network.
func (t *target) resolved(ctx context.Context, resolve ipLookup) ([]resolver.Address, error) {
	texts, err := t.addresses(ctx, resolve)
	all := make([]resolver.Address, len(texts))
	for i, text := range texts {
		all[i] = resolver.Address{Addr: text, Network: t.network}
	}
	return all, err
}

// interleave returns each address once, the families in turn, beginning with that of the
// first (gRFC A61, RFC 8305 section 4): one family may not work at all.
func interleave(ips []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, ip := range ips {
		ip = ip.Unmap()
		into := &first
		if ip.Is4() != ips[0].Unmap().Is4() {
			into = &second
		}
		if !slices.Contains(*into, ip) {
			*into = append(*into, ip)
		}
	}
	var mixed []netip.Addr
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(second) {
			mixed = append(mixed, second[i])
		}
	}
	return mixed
}
