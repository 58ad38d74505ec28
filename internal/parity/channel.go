package parity

import (
	"time"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/transport"
)

// Quickly is a back-off for servers that come back in a moment.
const Quickly = 10 * time.Millisecond

// NewChannel makes the channel of all callers of this library.
func NewChannel(d Dialing) (*client.Channel, error) {
	opts := []client.Option{client.WithBackoff(client.Backoff{Initial: Quickly, Max: Quickly})}
	if d.Credentials == nil {
		opts = append(opts, client.WithInsecure())
	} else {
		opts = append(opts, client.WithTLS(d.Credentials.Client()))
	}
	if d.Window != 0 {
		opts = append(opts, client.WithTransport(fixedWindow(d.Window)))
	}
	if d.UserAgent != "" {
		opts = append(opts, client.WithUserAgent(d.UserAgent))
	}
	if d.Authority != "" {
		opts = append(opts, client.WithAuthority(d.Authority))
	}
	if d.Retry != nil {
		opts = append(opts, client.WithRetry(*d.Retry))
	}
	return client.NewChannel(d.Address, append(opts, d.Options...)...)
}

func fixedWindow(bytes int) transport.Config {
	return transport.Config{InitialWindow: bytes, MaxWindow: -1}
}

// asCallOptions is options in the words of the library.
func asCallOptions(o Options) []client.CallOption {
	opts := []client.CallOption{
		client.WithMetadata(o.Metadata), client.WithWaitForReady(o.WaitForReady),
		client.WithMaxRecvMessage(o.MaxRecv), client.WithMaxSendMessage(o.MaxSend),
	}
	if o.Gzip {
		opts = append(opts, client.WithCompressor("gzip"))
	}
	if o.Header != nil {
		opts = append(opts, client.HeaderTo(o.Header))
	}
	if o.Trailer != nil {
		opts = append(opts, client.TrailerTo(o.Trailer))
	}
	return opts
}
