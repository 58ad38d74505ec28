package server_test

import (
	"net"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// A compressor that is not in the set would silently never be used; a server
// whose certificate was not loaded would silently serve plaintext.
func TestOptionsThatCannotBe(t *testing.T) {
	for want, o := range map[string]server.Option{
		`"zstd" is not among the compressors, identity,gzip`: server.WithCompressor("zstd"),
		"WithTLS(nil): a server needs a certificate":         server.WithTLS(nil),
	} {
		s := server.New(o)
		defer s.Close()
		_, nc := memconn.Pipe()
		for how, err := range map[string]error{
			"Serve": s.Serve(memconn.Listen()), "ServeConn": s.ServeConn(net.Conn(nc)),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %s", how, err, want)
			}
		}
	}
}
