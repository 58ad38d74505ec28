package client

import (
	"context"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
)

// CallOption configures one call, or with WithDefaultCallOptions every call of
// a channel.
type CallOption interface{ applyCall(*callConfig) }

type callOptionFunc func(*callConfig)

func (f callOptionFunc) applyCall(c *callConfig) { f(c) }

// callConfig is a call's resolved options.
type callConfig struct {
	call.Config
	report

	own     *call.Settings // Settings, if an option has changed any
	headers cqrpc.Metadata
	timeout time.Duration // 0: none
}

// set returns the settings of this call alone.
func (c *callConfig) set() *call.Settings {
	if c.own == nil {
		own := *c.Settings
		c.own, c.Settings = &own, &own
	}
	return c.own
}

// WithMetadata sends md as the call's initial metadata, after that of earlier
// options. Keys of HTTP/2 and gRPC themselves, such as content-type, user-agent
// or grpc-timeout, are left out without an error; others that begin with grpc-
// are reserved for gRPC. An illegal key or value ends the call with INTERNAL.
func WithMetadata(md cqrpc.Metadata) CallOption {
	return callOptionFunc(func(c *callConfig) { c.headers = append(c.headers[:len(c.headers):len(c.headers)], md...) })
}

// HeaderTo sets *md to the response's initial metadata when the call ends. It is meant
// for calls with one response; streams, and the objects of the other styles, have a
// method Header, which has it earlier.
func HeaderTo(md *cqrpc.Metadata) CallOption {
	return callOptionFunc(func(c *callConfig) { c.headerTo = md })
}

// TrailerTo sets *md to the response's trailing metadata when the call ends.
func TrailerTo(md *cqrpc.Metadata) CallOption {
	return callOptionFunc(func(c *callConfig) { c.trailerTo = md })
}

// PeerTo sets *p to the server's address when the call ends; the zero Peer if
// the call never had a connection.
func PeerTo(p *call.Peer) CallOption {
	return callOptionFunc(func(c *callConfig) { c.peerTo = p })
}

// WithWaitForReady makes the call wait for a connection instead of failing with
// UNAVAILABLE while the channel is in TransientFailure (gRPC wait-for-ready.md).
// Default: false.
func WithWaitForReady(wait bool) CallOption {
	return callOptionFunc(func(c *callConfig) { c.WaitForReady = wait })
}

// WithDeadline ends the call with DEADLINE_EXCEEDED at t. A context's deadline
// does the same; the earlier wins. The zero time is no deadline.
func WithDeadline(t time.Time) CallOption {
	return callOptionFunc(func(c *callConfig) { c.deadline(t) })
}

// WithTimeout ends the call with DEADLINE_EXCEEDED when d has passed since it was made;
// d <= 0 is no timeout. The last WithTimeout counts, so that a call's own replaces one of
// [WithDefaultCallOptions]. A context's deadline, or WithDeadline, can only make it
// shorter. Default: none.
func WithTimeout(d time.Duration) CallOption {
	return callOptionFunc(func(c *callConfig) { c.timeout = max(d, 0) })
}

// begin runs the filters of a call of the sync style. On error the call is over
// already: none is made.
func (c *callConfig) begin(ctx context.Context) (context.Context, error) {
	ctx, md, err := c.Filter(ctx, c.headers)
	if err == nil && ctx.Err() != nil {
		err = call.ContextError(ctx)
	}
	if err != nil {
		return nil, c.Abort(err)
	}
	c.headers = md
	return ctx, nil
}

func (c *callConfig) deadline(t time.Time) {
	if !t.IsZero() && (c.Deadline.IsZero() || t.Before(c.Deadline)) {
		c.Deadline = t
	}
}

// WithParent makes the call a child of a server call, see server.Incoming: mask
// says what it inherits, zero meaning everything.
func WithParent(parent *call.Call, mask call.Propagation) CallOption {
	return callOptionFunc(func(c *callConfig) { c.Parent, c.Propagate = parent, mask })
}

// WithCallAuthority replaces the channel's :authority. With TLS the server's
// certificate is not checked against it.
func WithCallAuthority(authority string) CallOption {
	return callOptionFunc(func(c *callConfig) { c.Authority = authority })
}

// WithCompressor sends messages in the named encoding, one of the channel's
// compressors; "identity" for none, which is the default. A name that is not
// among them fails the call with INTERNAL.
func WithCompressor(name string) CallOption {
	return callOptionFunc(func(c *callConfig) { c.set().Compressor = name })
}

// WithCallCodec marshals the call's messages with k instead of the channel's
// codec.
func WithCallCodec(k codec.Codec) CallOption {
	return callOptionFunc(func(c *callConfig) { c.set().Codec = k })
}

// WithMaxRecvMessage bounds one received message in bytes, framed and inflated.
// Default 4 MiB; negative: unlimited. Beyond it the call ends with
// RESOURCE_EXHAUSTED.
func WithMaxRecvMessage(n int) CallOption {
	return callOptionFunc(func(c *callConfig) { c.set().MaxRecvMessage = n })
}

// WithMaxSendMessage bounds one sent message in bytes before compression.
// Default unlimited. Beyond it the call ends with RESOURCE_EXHAUSTED.
func WithMaxSendMessage(n int) CallOption {
	return callOptionFunc(func(c *callConfig) { c.set().MaxSendMessage = n })
}
