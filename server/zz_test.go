package server_test

import (
	"testing"

	"github.com/cqrpc/cqrpc/server"
)

func TestTiny(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			x := serveHandlers(t, server.Unary(unary, echo))
			p := x.dial()
			p.Request(1, unary.Name, "grpc-timeout", "0n")
			p.WantTrailers("expired", 1, 4)
			p.Request(3, unary.Name, "grpc-timeout", "1n")
			p.WantTrailers("expired", 3, 4)
		})
	}
}
