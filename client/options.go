package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/version"
	"github.com/cqrpc/cqrpc/transport"
)

// Option configures a [Channel].
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// defaultIdleTimeout is that of grpc-go and C-core.
const defaultIdleTimeout = 30 * time.Minute

// config is a channel's resolved options.
type config struct {
	insecure    bool
	secure      func(ctx context.Context, nc net.Conn, serverName string) (net.Conn, error) // nil without TLS
	dial        dialFunc
	resolve     ipLookup  // nil with WithDialer, which is given names
	proxy       proxyFunc // nil: none is used
	noProxy     bool
	resolver    resolver.Resolver // nil: the target says which addresses there are
	authority   string
	userAgent   string
	transport   transport.Config
	keepalive   *transport.Keepalive // wins over transport.Keepalive
	backoff     Backoff
	lookupEvery time.Duration // 0: only when a connection was lost or failed
	idleTimeout time.Duration
	balancing   Balancing
	connections int     // at least 1; to each address, but with PickFirst
	health      *string // the service whose health is checked; nil: none
	compressors *codec.Compressors
	codec       codec.Codec
	logger      *slog.Logger // nil: none was given
	log         *slog.Logger // logger, or one that discards
	defaults    []CallOption
	perMethod   byName[[]CallOption]      // nil: none
	retries     byName[*call.RetryPolicy] // nil: none
	throttling  call.RetryThrottling
	filters     []call.Filter
}

func newConfig(opts []Option) config {
	cfg := config{userAgent: userAgent}
	for _, o := range opts {
		o.apply(&cfg)
	}
	cfg.backoff = cfg.backoff.resolved()
	if cfg.keepalive != nil {
		cfg.transport.Keepalive = *cfg.keepalive
	}
	if cfg.dial == nil {
		cfg.dial, cfg.resolve = new(net.Dialer).DialContext, systemResolver
		if !cfg.noProxy {
			cfg.proxy = environmentProxy()
		}
	}
	if cfg.compressors == nil {
		cfg.compressors = codec.DefaultCompressors()
	}
	if cfg.codec == nil {
		cfg.codec = codec.Proto()
	}
	if cfg.log = cfg.logger; cfg.log == nil {
		cfg.log = slog.New(slog.DiscardHandler)
	}
	if cfg.transport.Logger == nil {
		cfg.transport.Logger = cfg.log
	}
	if cfg.idleTimeout == 0 {
		cfg.idleTimeout = defaultIdleTimeout
	}
	cfg.connections = max(cfg.connections, 1)
	return cfg
}

// userAgent follows gRPC over HTTP/2, User-Agent.
const userAgent = "grpc-go-cqrpc/" + version.Number

// check says which options are missing, contradict each other or are not valid.
func (c *config) check() error {
	switch {
	case c.insecure && c.secure != nil:
		return errors.New("WithInsecure and WithTLS exclude each other")
	case !c.insecure && c.secure == nil:
		return errors.New("one of WithInsecure and WithTLS must be given")
	case !c.balancing.isKnown():
		return fmt.Errorf("there is no %v", c.balancing)
	case strings.ContainsFunc(c.userAgent, isUnprintable):
		return fmt.Errorf("no header can have the user agent %q", c.userAgent)
	}
	if err := c.perMethod.check("options of"); err != nil {
		return err
	}
	return c.checkRetries()
}

// isUnprintable reports whether r is not of gRPC's ASCII-Value.
func isUnprintable(r rune) bool { return r < 0x20 || r > 0x7E }

// alarm is where panics are reported.
func (c *config) alarm() *slog.Logger {
	if c.logger == nil {
		return slog.Default()
	}
	return c.logger
}

// settings are what the calls of the channel have in common.
func (c *config) settings() *call.Settings {
	scheme := "http"
	if c.secure != nil {
		scheme = "https"
	}
	return call.NewSettings(call.Settings{
		Scheme: scheme, UserAgent: c.userAgent,
		Codec: c.codec, Compressors: c.compressors, Logger: c.logger,
		Filters: c.filters, RetryThrottling: c.throttling,
	})
}

// WithInsecure connects without TLS. Plaintext is never a default.
func WithInsecure() Option { return optionFunc(func(c *config) { c.insecure = true }) }

// WithTLS connects with TLS, offering h2 by ALPN. The server's name is the
// target's host unless cfg names another. A nil cfg uses the system's roots.
func WithTLS(cfg *tls.Config) Option {
	return optionFunc(func(c *config) {
		// The handshake is named here only: the linker leaves it out of programs without TLS.
		c.secure = func(ctx context.Context, nc net.Conn, serverName string) (net.Conn, error) {
			return transport.ClientTLS(ctx, nc, withServerName(cfg, serverName))
		}
	})
}

// withServerName returns cfg with a name to verify: name, if it has none itself.
func withServerName(cfg *tls.Config, name string) *tls.Config {
	switch {
	case cfg == nil:
		cfg = &tls.Config{}
	case cfg.ServerName != "":
		return cfg
	default:
		cfg = cfg.Clone()
	}
	cfg.ServerName = name
	return cfg
}

// WithDialer replaces net.Dialer for making connections. network is "tcp" or "unix", and
// address what the target names, so it is dial that resolves names and chooses among their
// addresses; with WithResolver, address is one that the resolver has reported. dial runs on
// a goroutine of the channel and must obey ctx; if it panics, the address has failed. No proxy
// of the environment is used, see WithNoProxy. For a server in the same process use the Dial of
// its server.Server.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return optionFunc(func(c *config) { c.dial = dial })
}

// WithNoProxy makes connections directly, whatever the environment says. Without it, and without
// WithDialer, a channel over TCP obeys the environment of the time when it is made, as grpc-go and
// net/http do: HTTPS_PROXY, or https_proxy, is the URL of an HTTP proxy, "http://user:password@host:port",
// which the channel has connect it to its servers (CONNECT, RFC 9110 section 9.3.6), in plaintext or with
// TLS alike; user and password may be missing, and then the port, which is 80. NO_PROXY, or no_proxy, lists
// what is reached directly: names with what is below them, IP addresses and ranges, each with or without
// a port, or "*". localhost and loopback addresses always are.
//
// The name of a host is not resolved here but handed to the proxy, so it is one address for WithBalancing;
// WithConnections makes several connections to it. Addresses that the target lists, or that the resolver of
// WithResolver reports, are handed over as they are. A target that NO_PROXY names is reached directly, all
// its addresses. TLS is with the server. PeerTo tells of the proxy's address.
//
// The time of a connection attempt includes the proxy's answer. One that is not 2xx fails the attempt, with
// an error that quotes its status line. So does a proxy of another scheme, such as https or socks5.
func WithNoProxy() Option { return optionFunc(func(c *config) { c.noProxy = true }) }

// WithAuthority sets the :authority of requests, and with TLS the name that the
// server must prove, unless WithTLS's configuration has a ServerName. Default:
// the target's host and port.
func WithAuthority(authority string) Option {
	return optionFunc(func(c *config) { c.authority = authority })
}

// WithUserAgent puts a product name before the library's in user-agent (gRPC
// over HTTP/2, User Agents), in printable ASCII. Default, and "": the library's alone.
func WithUserAgent(product string) Option {
	return optionFunc(func(c *config) { c.userAgent = strings.TrimSpace(product + " " + userAgent) })
}

// WithTransport sets windows, limits, keepalive and time-outs of connections.
// WithKeepalive overrides its Keepalive; its Logger defaults to that of WithLogger.
// Default: the zero Config.
func WithTransport(t transport.Config) Option {
	return optionFunc(func(c *config) { c.transport = t })
}

// WithKeepalive sets when a silent server is pinged. Default: what WithTransport
// says, else never. Servers end connections that ping more often than they
// permit, by default every 5 min (transport.Enforcement, gRFC A8); the channel
// then doubles Time.
func WithKeepalive(k transport.Keepalive) Option {
	return optionFunc(func(c *config) { c.keepalive = &k })
}

// WithBackoff sets the delays between connection attempts. Default: those of
// gRPC connection-backoff.md, see Backoff.
func WithBackoff(b Backoff) Option { return optionFunc(func(c *config) { c.backoff = b }) }

// WithIdleTimeout closes the channel's connections, or stops trying to make them, when there
// was no call for d. Default and zero: 30 min; negative: never.
func WithIdleTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.idleTimeout = d })
}

// WithResolver makes r find the addresses of the target, and follow their changes, whatever the
// target looks like: see package [resolver]. The authority is the target's [resolver.Name],
// percent-encoded (gRPC naming.md); servers behind TLS must prove that name, or WithAuthority's.
// Default: the system's DNS, for targets that name a host.
//
// With PickFirst all calls go to the first address that works. When that is no longer among those
// reported, its connection takes no more calls and another is made. With a resolver the channel
// connects again without a call when it has lost its connection, and is idle only after the idle
// timeout, which ends the watch.
func WithResolver(r resolver.Resolver) Option {
	return optionFunc(func(c *config) { c.resolver = r })
}

// WithBalancing says which addresses of the target's name the channel connects to, and which
// connection a call takes. Default: PickFirst.
//
// With RoundRobin and LeastRequest the channel is Ready if it has a connection, Connecting while
// none is ready and one is being made for the first time or after a loss, else TransientFailure, with
// an error that tells of each address (gRPC load-balancing.md). A lost connection is made anew at once,
// or after the back-off, which each address has for itself. When a connection is lost or fails, the name
// is resolved again, at most every 30 s ([WithLookupEvery] does so by the clock): the channel connects
// to new addresses, and drains connections to those that are gone, so that calls on them go on. If the
// name can no longer be resolved, its addresses stay as they were. With RoundRobin the first call takes
// a random address, the next ones follow in the resolver's order.
//
// There is only one address where the dialer resolves (WithDialer without WithResolver), and for
// passthrough targets.
func WithBalancing(b Balancing) Option { return optionFunc(func(c *config) { c.balancing = b }) }

// WithLookupEvery has the target's name looked up again when d has passed since the last time, although
// no connection was lost or failed: for names that get further addresses, such as a headless service of
// Kubernetes that is scaled up. Where d is less than 30 s it also bounds how often a loss has the name
// looked up. A channel that is idle looks up nothing. Default and zero or less: only after a loss or a
// failure, like other implementations of gRPC.
//
// It is for RoundRobin, LeastRequest and resolvers whose Watch returns ([WithResolver]); it has no effect
// with PickFirst and DNS, which look up the name before they connect, nor on resolvers that watch.
func WithLookupEvery(d time.Duration) Option {
	return optionFunc(func(c *config) { c.lookupEvery = max(d, 0) })
}

// WithConnections makes the channel keep n connections, with RoundRobin and LeastRequest n to each
// address. Calls take turns on them, or with LeastRequest choose among all of them. It is for servers
// that take few streams on one connection, and for more work than the one reader of a connection can
// do. They are made at the same time, and one that is lost is made anew even if no call needs it.
// Default, and for n < 1: 1; there is no upper limit.
func WithConnections(n int) Option { return optionFunc(func(c *config) { c.connections = n }) }

// WithHealthCheck has calls go only to servers that say that service, one of theirs or "" for all of them, is
// SERVING (gRFC A17): on each connection the channel watches it by grpc.health.v1.Health, and until the first
// answer the connection counts as being made. While a server says anything else, or the watch cannot be made,
// it counts as failed: calls take other servers, or without any fail with UNAVAILABLE, unless they wait for
// ready. A watch that ends is made again after the back-off of WithBackoff. A server that does not know the
// method (UNIMPLEMENTED) counts as healthy. Default: servers are not asked.
//
// It is for RoundRobin and LeastRequest; with PickFirst it has no effect, as elsewhere in gRPC. The watch is a
// call of "/grpc.health.v1.Health/Watch": it passes through the channel's filters, so that these can add
// credentials, and has the metadata and authority that WithDefaultCallOptions or WithMethodOptions give it, but
// no time limit. It is one of the streams that a server allows on a connection, but keeps no channel from idling.
func WithHealthCheck(service string) Option {
	return optionFunc(func(c *config) { c.health = &service })
}

// WithCompressors sets the message encodings accepted and available for
// sending. Default: identity and gzip.
func WithCompressors(s *codec.Compressors) Option {
	return optionFunc(func(c *config) { c.compressors = s })
}

// WithCodec sets the codec of messages; its name is the content-subtype.
// Default: protobuf.
func WithCodec(k codec.Codec) Option { return optionFunc(func(c *config) { c.codec = k }) }

// WithLogger sets where events are reported: connections made and lost at Info, failed
// rounds of attempts and lookups, and servers that are not healthy, at Warn, panics of
// filters and resolvers at Error. No metadata is logged. Default: nowhere, except panics,
// which go to [slog.Default].
func WithLogger(l *slog.Logger) Option { return optionFunc(func(c *config) { c.logger = l }) }

// WithFilter makes every call of the channel pass through filters, after those of
// earlier options: see [call.Filter] for what they see, in which order and where.
// Default: none, which costs a call nothing.
func WithFilter(filters ...call.Filter) Option {
	return optionFunc(func(c *config) { c.filters = append(c.filters, filters...) })
}

// WithDefaultCallOptions applies opts to every call, before its own, and after those of
// earlier options of this kind. Default: none.
func WithDefaultCallOptions(opts ...CallOption) Option {
	return optionFunc(func(c *config) { c.defaults = append(c.defaults, opts...) })
}
