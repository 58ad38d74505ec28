//go:build vtproto

package message

import (
	"github.com/cqrpc/cqrpc/benchmark/internal/message/vt"
)

// Payload is what it is in grpc.testing.
type Payload = vt.Payload

// SimpleRequest is what it is in grpc.testing.
type SimpleRequest = vt.SimpleRequest

// SimpleResponse is what it is in grpc.testing.
type SimpleResponse = vt.SimpleResponse
