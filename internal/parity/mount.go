package parity

import (
	"fmt"
	"net"
	"testing"

	"github.com/cqrpc/cqrpc/server"
)

// mount puts routes on a server that does not serve yet, in one style. wait is
// for after the server was closed: it returns when what was made for it has
// ended.
type mount func(srv *server.Server, routes []Route) (wait func() error, err error)

// mounts by the names of Hosts. Read only.
var mounts = map[string]mount{
	"batch":   mountBatch,
	"sync":    mountSync,
	"queue":   mountQueue,
	"reactor": mountReactor,
	"future":  mountFuture,
}

// Mount puts routes on a server that does not serve yet, in the style of a host
// of that name. wait is for after the server was closed: it returns when what
// was made for it has ended, with what was left open.
func Mount(srv *server.Server, style string, routes []Route) (wait func() error, err error) {
	m := mounts[style]
	if m == nil {
		return nil, fmt.Errorf("no style %q", style)
	}
	return m(srv, routes)
}

// host is a HostKind that serves in one style.
func host(style string) HostKind {
	serve := func(t *testing.T, lis net.Listener, c *Credentials, s Serving) (drain, stop func()) {
		srv := NewServer(c, s)
		wait, err := Mount(srv, style, s.all())
		Want(t, "Mount", err)
		return Run(t, srv, lis, func() {
			if err := wait(); err != nil {
				t.Error(err)
			}
		})
	}
	return HostKind{Name: style, Serve: serve}
}
