//go:build !vtproto

package roster

import "github.com/cqrpc/cqrpc/benchmark/internal/peer"

// peers returns the implementations by others.
func peers() []Entry {
	return []Entry{
		{"grpc-go", "", peer.NewGRPCServer, peer.NewGRPCClient},
		{"connect-go", "", peer.NewConnectServer, peer.NewConnectClient},
	}
}
