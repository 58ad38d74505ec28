// Package connectpb is the messages of the connectrpc conformance suite.
package connectpb

//go:generate go -C ../../../internal/genproto run ./borrow ../.. conformance/internal/connectpb connectrpc.com/conformance@v1.0.6 connectrpc/conformance/v1/config.proto connectrpc/conformance/v1/service.proto connectrpc/conformance/v1/client_compat.proto connectrpc/conformance/v1/server_compat.proto
