package resolver

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// Resolver finds the addresses of a target, and follows their changes. The interface is
// stable: what resolvers are given may grow, what they must implement will not.
type Resolver interface {
	// Watch reports the addresses of w.Target to w until ctx ends, and then returns.
	// The channel calls it when it leaves IDLE; ctx ends when the channel becomes idle or is
	// closed. What Watch returns after that does not matter.
	//
	// It may return before. nil says that what was reported holds until the channel asks
	// again: it calls Watch again when a connection was lost or could not be made, at the
	// earliest 30 s after the last call. An error counts as reported by w.Report, and Watch
	// is called again after a back-off (client.WithBackoff); likewise after nil, if the
	// latest report was an error or an empty list, or there was none.
	//
	// A panic counts as an error. Its text does not have the value, which only goes to the
	// channel's logger.
	Watch(ctx context.Context, w *Watch) error
}

// Address is where a server listens. Two addresses are the same if all their fields are.
// Name the fields in literals, and do not compare with ==: there may be more of them later.
type Address struct {
	// Addr is what the channel's dialer is given: "host:port", where the host is best an
	// IP address; or the path of a socket, or "@" and its abstract name.
	Addr string
	// Network is "tcp" or "unix". Default: "tcp".
	Network string
}

// Addresses makes addresses of texts: "host:port", "unix:path", "unix:///path" or
// "unix-abstract:name".
func Addresses(texts ...string) []Address {
	all := make([]Address, len(texts))
	for i, text := range texts {
		all[i] = Address{Addr: text}
		if path, ok := strings.CutPrefix(text, "unix:"); ok {
			all[i] = Address{Addr: strings.TrimPrefix(path, "//"), Network: "unix"}
		} else if name, ok := strings.CutPrefix(text, "unix-abstract:"); ok {
			all[i] = Address{Addr: "@" + name, Network: "unix"}
		}
	}
	return all
}

// Name is what a target names: the path of "scheme://authority/name", decoded, without
// query and fragment; of any other text, all of it.
func Name(target string) string {
	if !strings.Contains(target, "://") {
		return target
	}
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	return strings.TrimPrefix(u.Path, "/")
}

// lookupTimeout is how long a Func may take: as long as an attempt to connect (gRPC
// connection-backoff.md, MIN_CONNECT_TIMEOUT).
const lookupTimeout = 20 * time.Second

// Func is a resolver that can only be asked: it is called when the channel leaves IDLE and
// when the addresses may have changed, see [Resolver]. name is [Name] of the target. ctx
// ends after 20 s, or when nobody wants the answer any more.
type Func func(ctx context.Context, name string) ([]Address, error)

// Watch asks once.
func (f Func) Watch(ctx context.Context, w *Watch) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := f(ctx, Name(w.Target()))
	if err != nil {
		return err
	}
	w.Report(found, nil)
	return nil
}
