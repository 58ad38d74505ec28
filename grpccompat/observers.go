package grpccompat

import (
	"context"

	"google.golang.org/grpc/stats"
)

// observers are the stats handlers of a ClientConn or a Registrar.
type observers []stats.Handler

// add adds h; nil is none, as in grpc-go.
func (o *observers) add(h stats.Handler) {
	if h != nil {
		*o = append(*o, h)
	}
}

func (o observers) tag(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	for _, h := range o {
		ctx = h.TagRPC(ctx, info)
	}
	return ctx
}

func (o observers) tell(ctx context.Context, s stats.RPCStats) {
	for _, h := range o {
		h.HandleRPC(ctx, s)
	}
}
