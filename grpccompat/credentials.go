package grpccompat

import (
	"context"
	"crypto/tls"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
)

// authenticate asks for the metadata of a call. Whether the channel has TLS is known
// beforehand, the state of the handshake is not, as the call has no connection yet.
func (cc *ClientConn) authenticate(
	ctx context.Context, method string, creds credentials.PerRPCCredentials,
) (cqrpc.Metadata, error) {
	isSecure := cc.channel.IsSecure()
	if creds.RequireTransportSecurity() && !isSecure {
		return nil, status.Error(codes.Unauthenticated, "cannot send secure credentials on an insecure connection")
	}
	info := credentials.RequestInfo{Method: method, AuthInfo: authInfo(nil)}
	if isSecure {
		info.AuthInfo = authInfo(new(tls.ConnectionState))
	}
	data, err := creds.GetRequestMetadata(credentials.NewContextWithRequestInfo(ctx, info), cc.audience(method))
	if err != nil {
		switch st, ok := status.FromError(err); {
		case ok && isOfServersOnly(st.Code()):
			return nil, status.Errorf(codes.Internal, "per-RPC credentials failed with an illegal status: %v", err)
		case ok:
			return nil, err
		}
		return nil, status.Errorf(codes.Internal, "per-RPC credentials failed: %v", err)
	}
	md := make(cqrpc.Metadata, 0, len(data))
	for _, key := range slices.Sorted(maps.Keys(data)) {
		md.Add(key, data[key])
	}
	return md, nil
}

// isOfServersOnly reports whether only a server may end a call with a code (gRFC A54).
func isOfServersOnly(code codes.Code) bool {
	switch code {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted,
		codes.OutOfRange, codes.DataLoss:
		return true
	}
	return false
}

// audience is the service as a URI, which tokens are made for.
func (cc *ClientConn) audience(method string) string {
	service := method[:max(strings.LastIndexByte(method, '/'), 0)]
	return "https://" + strings.TrimSuffix(cc.channel.Authority(), ":443") + service
}
