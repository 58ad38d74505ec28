package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/transport"
)

// Option is a setting of New.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

// config is what the options add up to.
type config struct {
	secure       func(context.Context, net.Conn) (net.Conn, error) // nil without TLS
	isBare       bool                                              // WithTLS was given no certificate
	transport    transport.Config
	maxRecv      int
	maxSend      int
	compressors  *codec.Compressors
	compressor   string
	codecs       []codec.Codec
	pending      PendingLimits
	maxUnread    int64 // 0: the default
	maxHandlers  int
	byHomeQueue  bool
	logger       *slog.Logger                             // nil: none was given
	log          *slog.Logger                             // logger, or one that discards
	panicHandler func(method string, v any, stack []byte) // nil: panics are logged
	errorMapper  func(error) error                        // nil: none
	filters      []call.Filter
}

const (
	defaultMaxStreams       = 1000 // per connection; transport's default, spelled out because handlers are held to it
	defaultHandshakeTimeout = 20 * time.Second
	defaultMaxUnread        = 1 << 30
)

// settings are those of calls whose messages k marshals.
func (c *config) settings(k codec.Codec) *call.Settings {
	return call.NewSettings(call.Settings{
		MaxRecvMessage: c.maxRecv, MaxSendMessage: c.maxSend,
		Codec: k, Compressors: c.compressors, Compressor: c.compressor, Logger: c.logger,
		Filters: c.filters, Panicked: c.panicHandler,
	})
}

func newConfig(opts []Option) config {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log = c.logger; c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.transport.Logger == nil {
		c.transport.Logger = c.log
	}
	if c.transport.MaxConcurrentStreams == 0 {
		c.transport.MaxConcurrentStreams = defaultMaxStreams
	}
	if c.transport.HandshakeTimeout == 0 {
		c.transport.HandshakeTimeout = defaultHandshakeTimeout
	}
	if c.compressors == nil {
		c.compressors = codec.DefaultCompressors()
	}
	if len(c.codecs) == 0 {
		c.codecs = []codec.Codec{codec.Proto()}
	}
	c.pending = c.pending.resolved()
	if c.maxUnread == 0 {
		c.maxUnread = min(defaultMaxUnread, debug.SetMemoryLimit(-1)/2)
	}
	return c
}

// check finds options that cannot work.
func (c *config) check() error {
	if c.isBare {
		return errors.New("server: WithTLS without a certificate: every handshake would fail")
	}
	if c.compressor == "" {
		return nil
	}
	if _, ok := c.compressors.Lookup(c.compressor); !ok {
		return fmt.Errorf("server: compressor %q is not among the compressors, %s",
			c.compressor, c.compressors.AcceptEncoding())
	}
	return nil
}

// WithTLS serves TLS, offering ALPN h2 only and nothing older than TLS 1.2.
// cfg needs Certificates, GetCertificate or GetConfigForClient; without, or with a
// nil cfg, Serve fails. It is copied: what may change while the server runs, such as
// certificates and the keys of session tickets, comes from these functions. Default:
// plaintext. A listener whose connections are *tls.Conn already needs no option.
func WithTLS(cfg *tls.Config) Option {
	return option(func(c *config) {
		c.isBare = cfg == nil ||
			len(cfg.Certificates) == 0 && cfg.GetCertificate == nil && cfg.GetConfigForClient == nil
		shared := transport.TLSConfig(cfg) // by all connections: it has the keys of their session tickets
		// The handshake is named here only: the linker leaves it out of programs without TLS.
		c.secure = func(ctx context.Context, nc net.Conn) (net.Conn, error) {
			return transport.ServerTLS(ctx, nc, shared)
		}
	})
}

// WithTransport sets what concerns connections: limits, windows, keepalive and
// its enforcement, idle time and age. Its HandshakeTimeout bounds the TLS
// handshake, and then HTTP/2's. Its MaxConcurrentStreams also bounds the handlers
// that run for one connection: a call that was reset counts until its handler has
// returned. Its Logger defaults to that of WithLogger. Default: the zero Config.
func WithTransport(cfg transport.Config) Option {
	return option(func(c *config) { c.transport = cfg })
}

// WithMaxRecvMessage bounds a request message in bytes, framed and inflated.
// Default 4 MiB; negative: unlimited. Beyond it calls end with
// RESOURCE_EXHAUSTED.
func WithMaxRecvMessage(n int) Option { return option(func(c *config) { c.maxRecv = n }) }

// WithMaxSendMessage bounds a response message in bytes before compression.
// Default unlimited. Beyond it calls end with RESOURCE_EXHAUSTED.
func WithMaxSendMessage(n int) Option { return option(func(c *config) { c.maxSend = n }) }

// WithCompressors sets the encodings in which messages may come. Default
// identity and gzip. A call in another ends with UNIMPLEMENTED.
func WithCompressors(set *codec.Compressors) Option {
	return option(func(c *config) { c.compressors = set })
}

// WithCompressor names the encoding of responses, one of the compressors; it is used
// if the client accepts it. Default none. With a name that is not among them Serve fails.
func WithCompressor(name string) Option { return option(func(c *config) { c.compressor = name }) }

// WithCodecs sets the codecs, chosen by their names, the content-subtypes. The first
// also serves requests without one. Default protobuf. A call of a registered method
// in another content-subtype ends with UNIMPLEMENTED; unregistered methods take any
// content-subtype, with messages as bytes.
func WithCodecs(codecs ...codec.Codec) Option { return option(func(c *config) { c.codecs = codecs }) }

// WithPendingLimits bounds the calls that arrived before anyone asked for them.
// Default: those of PendingLimits.
func WithPendingLimits(l PendingLimits) Option { return option(func(c *config) { c.pending = l }) }

// WithMaxUnread bounds the memory, in bytes and over all connections, of messages that no
// handler has taken, arrived whole or in part (C-core's resource quota). A message counts
// with its full size once an eighth of it has come, for then there is memory for the rest.
// A call that goes beyond ends with RESOURCE_EXHAUSTED. But a connection may always hold its
// share, the limit divided by the number of connections that hold anything: one that fills
// the limit does not shut out the others. Without a limit a single client can make a server
// keep MaxConcurrentStreams times MaxRecvMessage, 4 GB by default. Default 1 GiB, or half of
// the process's memory limit (GOMEMLIMIT) if that is less; negative: unlimited. [Stats]
// tells how much is held now.
func WithMaxUnread(n int64) Option { return option(func(c *config) { c.maxUnread = n }) }

// WithMaxHandlers bounds the calls that handlers are serving, over all connections;
// more are refused with REFUSED_STREAM, so that the client knows that they were not
// processed. Default and n <= 0: unlimited.
func WithMaxHandlers(n int) Option { return option(func(c *config) { c.maxHandlers = n }) }

// WithHomeQueue gives a call to the home queue of its connection if that has a
// request waiting, else to the next queue that has one, as C-core does. Connections
// get homes in turn. Default: calls go to the queues in turn, whatever their
// connection, so that one busy connection can use all of them.
func WithHomeQueue() Option { return option(func(c *config) { c.byHomeQueue = true }) }

// WithLogger sets where connections' faults and handlers' panics are reported.
// No metadata is logged. Default: nowhere, but for panics, see WithPanicHandler.
func WithLogger(l *slog.Logger) Option { return option(func(c *config) { c.logger = l }) }

// WithPanicHandler has f called, on the goroutine of the panic, when a handler or a
// filter panics: with the method, what was given to panic, and the stack. The call
// ends, or has ended, with INTERNAL, and the process lives. A function of the TLS
// configuration that panics ends the connection; the method is empty then. Default:
// panics go to the logger of WithLogger, or to [slog.Default] without one.
func WithPanicHandler(f func(method string, v any, stack []byte)) Option {
	return option(func(c *config) { c.panicHandler = f })
}

// WithErrorMapper has f map the errors that sync handlers return, before [cqrpc.StatusOf] makes a
// status of them. So one place knows that sql.ErrNoRows is NOT_FOUND, or that an error is one of
// grpc-go's package status (grpccompat.FromStatus). f is never given nil, and if it returns nil, err
// stays as it is: a failure does not become a success. It runs on the handlers' goroutines,
// concurrently. Handlers of other styles set the status themselves. Default: errors stay as they are.
func WithErrorMapper(f func(err error) error) Option {
	return option(func(c *config) { c.errorMapper = f })
}

// WithFilter makes every call that reaches the application pass through filters,
// after those of earlier options: see [call.Filter] for what they see, in which
// order and where. [Incoming], [SetHeader] and [SetTrailer] work on the context that
// a filter is given; at batch level what filters set goes out with refusals only.
// Default: none, which costs a call nothing.
func WithFilter(filters ...call.Filter) Option {
	return option(func(c *config) { c.filters = append(c.filters, filters...) })
}
