// Package vt is the benchmark's messages with the methods of vtprotobuf, which
// marshal without reflection and, being pooled, use memory again.
package vt

//go:generate go -C ../../../../internal/genproto run . -vt github.com/cqrpc/cqrpc/benchmark/internal/message/vt ../.. benchmark/internal/message/vt/message.proto
