package server_test

import (
	"net"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// A compressor that is not in the set would silently never be used.
func TestUnknownCompressor(t *testing.T) {
	s := server.New(server.WithCompressor("zstd"))
	defer s.Close()
	_, nc := memconn.Pipe()
	for how, err := range map[string]error{
		"Serve": s.Serve(memconn.Listen()), "ServeConn": s.ServeConn(net.Conn(nc)),
	} {
		if err == nil || !strings.Contains(err.Error(), `"zstd" is not among the compressors, identity,gzip`) {
			t.Errorf("%s: %v", how, err)
		}
	}
}
