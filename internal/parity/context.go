package parity

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
)

// contextCall is a Call of the styles that hand out a server.Context; they differ
// in how initial metadata is sent.
type contextCall struct {
	context *server.Context
	send    func() error
}

func (c contextCall) Context() context.Context           { return c.context }
func (c contextCall) Metadata() cqrpc.Metadata           { return c.context.Metadata() }
func (c contextCall) Authority() string                  { return c.context.Authority() }
func (c contextCall) Peer() string                       { return c.context.Peer().Addr.String() }
func (c contextCall) SetHeader(md cqrpc.Metadata) error  { return c.context.SetHeader(md) }
func (c contextCall) SetTrailer(md cqrpc.Metadata) error { return c.context.SetTrailer(md) }
func (c contextCall) TryCancel()                         { c.context.TryCancel() }

func (c contextCall) SendHeader(md cqrpc.Metadata) error {
	if err := c.context.SetHeader(md); err != nil {
		return err
	}
	return c.send()
}
