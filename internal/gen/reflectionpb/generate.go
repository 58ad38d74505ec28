// Package reflectionpb is the messages of gRPC's server reflection.
package reflectionpb

//go:generate go -C ../../genproto run . -messages ../.. internal/gen/reflectionpb/cqrpc_reflection.proto
