package grpccompat

import (
	"context"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
)

// incoming is the context of a handler with what grpc-go's functions look for in one: the
// request's metadata and the peer.
func incoming(ctx context.Context, info *server.Info, p *peer.Peer) context.Context {
	md := addTo(make(metadata.MD, len(info.Metadata)+2), info.Metadata,
		cqrpc.Pair{Key: ":authority", Value: info.Authority}, cqrpc.Pair{Key: "content-type", Value: contentType(info)})
	return metadata.NewIncomingContext(peer.NewContext(ctx, p), md)
}

// contentType is that of the request, which grpc-go shows among its metadata.
func contentType(info *server.Info) string {
	if subtype := info.Call.ContentSubtype(); subtype != "" {
		return "application/grpc+" + subtype
	}
	return "application/grpc"
}
