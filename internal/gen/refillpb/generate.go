// Package refillpb is messages with memory that can be filled again, and without, for
// tests of package codec.
package refillpb

//go:generate go -C ../../genproto run . -messages ../.. internal/gen/refillpb/refill.proto
