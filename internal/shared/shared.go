// Package shared is what the tests of messages that are encoded once and sent to
// many have in common: such a message, and a codec that counts.
//
//	Codec ──call.Encode──► Text ──Ref, Ref, …──► calls under test
//
// Concurrency: a Codec may be used by any goroutine.
package shared

import (
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
)

// Codec is protobuf's that counts what it marshals.
type Codec struct {
	codec.Codec
	marshalled atomic.Int32
}

// NewCodec returns one that has marshalled nothing.
func NewCodec() *Codec { return &Codec{Codec: codec.Proto()} }

// Append implements codec.Codec.
func (c *Codec) Append(dst []byte, v any) ([]byte, error) {
	c.marshalled.Add(1)
	return c.Codec.Append(dst, v)
}

// Marshalled is how many messages it has marshalled since it was asked last.
func (c *Codec) Marshalled() int { return int(c.marshalled.Swap(0)) }

// Text is a message, a StringValue, encoded by k. The caller owns it.
func Text(t testing.TB, k codec.Codec, s string) *call.Buffer {
	t.Helper()
	b, err := call.Encode(k, wrapperspb.String(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
