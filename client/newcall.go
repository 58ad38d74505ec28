package client

import (
	"fmt"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/transport"
)

// NewCall makes a batch-level call of method, "/pkg.Service/Method", whose tags
// come out of q. It never fails: what is wrong shows in the call's status. The
// call takes effect, and the channel connects if need be, when
// SendInitialMetadata is started. WithMetadata, HeaderTo, TrailerTo and PeerTo
// have no effect: use operations of batches. Filters run inside NewCall, with a context
// that never ends; if the context that they return ends, so does the call.
func (ch *Channel) NewCall(q cq.Completer, method string, opts ...CallOption) *call.Call {
	cfg := ch.callConfig(method, opts)
	cfg.Completer = q
	return ch.newCall(&cfg)
}

// newCall makes a batch-level call.
func (ch *Channel) newCall(cfg *callConfig) *call.Call {
	ctx := cfg.FilterBatch()
	if t, ok := ctx.Deadline(); ok {
		cfg.deadline(t)
	}
	c := ch.newCallIn(new(pieces), cfg.Config)
	c.Watch(ctx)
	return c
}

// pieces are a call and the stream of its first attempt, in one allocation.
type pieces struct {
	call   call.ClientCall
	stream transport.Stream
}

func (ch *Channel) newCallIn(p *pieces, cfg call.Config) *call.Call {
	ch.calls.Add(1)
	cfg.Room = p
	return call.NewClient(&p.call, cfg, (*opener)(ch))
}

// newStream makes a stream of conn for the current attempt of a call.
func newStream(conn *transport.Conn, c *call.Call) (*transport.Stream, error) {
	p, ok := c.Room().(*pieces)
	attempt := c.Receiver()
	if !ok || !attempt.IsFirst() {
		return conn.NewStream(attempt)
	}
	err := conn.InitStream(&p.stream, attempt)
	return &p.stream, err
}

// callConfig resolves a call's options over the channel's.
func (ch *Channel) callConfig(method string, opts []CallOption) callConfig {
	cfg := ch.base
	if own, ok := ch.bases.of(method); ok {
		cfg = *own
	}
	cfg.Method = method
	if p, ok := ch.cfg.retries.of(method); ok {
		cfg.Retry = p
	}
	if len(opts) > 0 {
		cfg = configured(cfg, opts)
	}
	if cfg.timeout > 0 {
		cfg.deadline(time.Now().Add(cfg.timeout))
	}
	return cfg
}

// configured is cfg with options applied. The options do not change cfg.
func configured(cfg callConfig, opts []CallOption) callConfig {
	c := configs.Get().(*callConfig)
	*c = cfg
	for _, o := range opts {
		o.applyCall(c)
	}
	cfg = *c
	cfg.own = nil
	*c = callConfig{}
	configs.Put(c)
	return cfg
}

// configs are for configured: options would make one on the stack escape.
var configs = sync.Pool{New: func() any { return new(callConfig) }}

// RegisteredMethod is a method and authority that a channel was told of in
// advance (C-core grpc_channel_register_call). Calls of it are like any other.
type RegisteredMethod struct {
	channel   *Channel
	method    string
	authority string
}

type methodKey struct{ method, authority string }

// RegisterMethod returns the handle of a method; authority "" means the
// channel's. The same pair gives the same handle. The method must look like
// "/pkg.Service/Method".
func (ch *Channel) RegisterMethod(method, authority string) (*RegisteredMethod, error) {
	if _, _, ok := call.SplitMethod(method); !ok {
		return nil, fmt.Errorf("register method %q: want /pkg.Service/Method", method)
	}
	if authority == "" {
		authority = ch.authority
	}
	key := methodKey{method, authority}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if m := ch.methods[key]; m != nil {
		return m, nil
	}
	m := &RegisteredMethod{channel: ch, method: method, authority: authority}
	if ch.methods == nil {
		ch.methods = make(map[methodKey]*RegisteredMethod)
	}
	ch.methods[key] = m
	return m, nil
}

// NewCall is Channel.NewCall for the registered method.
func (m *RegisteredMethod) NewCall(q cq.Completer, opts ...CallOption) *call.Call {
	cfg := m.channel.callConfig(m.method, opts)
	cfg.Completer, cfg.Authority = q, m.authority
	return m.channel.newCall(&cfg)
}

// Name returns the full name, "/pkg.Service/Method".
func (m *RegisteredMethod) Name() string { return m.method }
