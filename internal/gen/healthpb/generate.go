// Package healthpb is the messages of gRPC's health checking.
package healthpb

//go:generate go -C ../../genproto run . -messages ../.. internal/gen/healthpb/cqrpc_health.proto
