package call

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// passage is one call's way through filters. A call without filters has none.
//
//	entering ──every filter has returned──► attached ──over, no message undecoded──► told
//	    └────────── no call is made: Abort ────────────────────────────────────────►
type passage struct {
	// immutable once attached
	settings *Settings
	start    Start
	ctx      context.Context // what filters have made of the call's
	hooks    []hooks         // of the filters that were called, in order
	refusal  *cqrpc.Error    // nil: none
	isBatch  bool            // start.Metadata goes behind what the batch says

	// guarded by Call.mu
	sent, received Traffic
	answer         *cqrpc.Status // of SendStatus; server
	undecoded      int           // messages delivered and not harvested: each may still fail the call
	isTold         bool
}

// hooks are what one filter wants to see.
type hooks struct {
	onSend, onRecv func(any) error
	onEnd          func(End)
}

// Filter runs the filters of cfg.Settings for a client call that is about to be
// made of cfg, on the goroutine of its caller: ctx is the call's context, md its
// metadata, and the results replace them. The error is a refusal: a call that is
// made of cfg nevertheless has ended with it; if none is made, call Abort. For
// styles.
func (cfg *Config) Filter(ctx context.Context, md cqrpc.Metadata) (context.Context, cqrpc.Metadata, *cqrpc.Error) {
	if cfg.Settings == nil || len(cfg.Settings.Filters) == 0 {
		return ctx, md, nil
	}
	p := enterClient(ctx, cfg.Settings, Start{
		Method: cfg.Method, Authority: cfg.Authority, Metadata: slices.Clip(md),
	})
	cfg.passage = p
	return p.ctx, p.start.Metadata, p.refusal
}

// FilterBatch is Filter for a batch-level call, whose metadata comes with a batch; what filters add
// is sent after that. The call has to Watch the result, a context that filters may have made to end.
func (cfg *Config) FilterBatch() context.Context {
	ctx, _, _ := cfg.Filter(context.Background(), nil) // a refusal is how the call has ended
	if cfg.passage != nil {
		cfg.passage.isBatch = true
	}
	return ctx
}

// Abort tells the filters of Filter that no call is made of cfg after all, because
// of err, which it returns.
func (cfg *Config) Abort(err *cqrpc.Error) *cqrpc.Error {
	if p := cfg.passage; p != nil {
		p.tell(End{Status: err.Status})
	}
	return err
}

func enterClient(ctx context.Context, set *Settings, start Start) *passage {
	p := &passage{settings: set, start: start}
	isEntered := false
	defer func() {
		if !isEntered { // a filter has ended the goroutine
			p.tell(End{Status: statusPanicked})
		}
	}()
	p.enter(ctx)
	isEntered = true
	return p
}

// Admit runs the filters of a server call. Call it once, before other code of the
// application runs for the call and before its request is decoded. ctx is the call's
// context; the values that filters add to it are found by Value. The error is a
// refusal: end the call with its status. For styles.
func (c *Call) Admit(ctx context.Context) *cqrpc.Error {
	set := c.shared()
	if len(set.Filters) == 0 {
		return nil
	}
	p := &passage{settings: set, start: Start{
		Method: c.Method(), Authority: c.Authority(), IsServer: true, Peer: c.Peer(), Metadata: c.RequestMetadata(),
	}}
	defer c.attach(p) // even if a filter has ended the goroutine
	p.enter(ctx)
	return p.refusal
}

// attach gives a server call its passage.
func (c *Call) attach(p *passage) {
	c.mu.Lock()
	c.passage = p
	isDue := p.isDueLocked(c)
	c.mu.Unlock()
	if isDue {
		p.end(c)
	}
}

// Value is what the filters of the call have put into its context under key, nil if
// nothing. Batch-level calls, which have no context, have it, too. On a server it may be
// called only after Admit has returned.
func (c *Call) Value(key any) any {
	if c.passage == nil {
		return nil
	}
	return c.passage.ctx.Value(key)
}

// Decode unmarshals b, the request of a server call, into v, and shows v to the call's
// filters; if v is nil it shows them b. It is for a request that was received before
// Admit: later messages are shown when they are harvested. The error is what to end the
// call with. The caller keeps b, even if a codec panics. For styles.
func (c *Call) Decode(b *Buffer, v any) *cqrpc.Error {
	seen := v
	if v == nil {
		seen = b
	} else if err := c.unmarshal(b, v); err != nil {
		return err
	}
	if c.passage == nil {
		return nil
	}
	return c.passage.take(c, seen, b.Len())
}

// enter calls the filters, in order, until one refuses.
func (p *passage) enter(ctx context.Context) {
	p.ctx = ctx
	p.hooks = make([]hooks, 0, len(p.settings.Filters))
	for _, f := range p.settings.Filters {
		if p.refusal = p.call(f); p.refusal != nil {
			return
		}
	}
}

// call calls one filter.
func (p *passage) call(f Filter) (refusal *cqrpc.Error) {
	hasReturned := false
	defer func() {
		s := &p.start
		p.hooks = append(p.hooks, hooks{s.OnSend, s.OnRecv, s.OnEnd})
		s.OnSend, s.OnRecv, s.OnEnd = nil, nil, nil
		if !hasReturned {
			refusal = p.panicked(recover())
		}
	}()
	before := p.start.Metadata
	ctx, err := f(p.ctx, &p.start)
	if err != nil {
		refusal = refusalOf(err)
	}
	hasReturned = true // nor has reading err panicked, as for a nil *cqrpc.Error
	if refusal != nil {
		return refusal
	}
	if ctx != nil {
		p.ctx = ctx
	}
	if md := p.start.Metadata; len(md) > 0 && (len(md) != len(before) || &md[0] != &before[0]) {
		if err := md.Validate(); err != nil {
			return cqrpc.Errorf(cqrpc.CodeInternal, "%s of a filter: %w", ErrInvalidMetadata, err)
		}
	}
	return nil
}

// refusalOf is the error of a call that a filter ends because of err.
func refusalOf(err error) *cqrpc.Error {
	cause := err
	if e, ok := err.(*cqrpc.Error); ok { //nolint:errorlint // itself, not what it wraps
		cause = e.Cause
	}
	return &cqrpc.Error{Status: cqrpc.StatusOf(err), Origin: cqrpc.OriginLocal, Cause: cause}
}

// statusPanicked ends a call when a filter panics. What was given to panic stays in
// this process: it may hold secrets.
var statusPanicked = cqrpc.Status{Code: cqrpc.CodeInternal, Message: "panic in filter"}

// panicked reports a panic. It is for a deferred function of the panicking
// goroutine.
func (p *passage) panicked(v any) *cqrpc.Error {
	p.settings.Panicked(p.start.Method, v, debug.Stack())
	return &cqrpc.Error{Status: statusPanicked}
}

// logPanics returns the default of Settings.Panicked. It reports panics to l, or, if that is
// nil, to what is [slog.Default] by then.
func logPanics(l *slog.Logger) func(method string, v any, stack []byte) {
	return func(method string, v any, stack []byte) {
		to := l
		if to == nil {
			to = slog.Default()
		}
		to.Error("call: panic in the application's code", "method", method, "panic", v, "stack", string(stack))
	}
}

// send shows a message on its way out to the filters, from the inside out on a server.
func (p *passage) send(c *Call, m any) *cqrpc.Error {
	return p.each(c, m, p.start.IsServer, func(h *hooks) func(any) error { return h.onSend })
}

// receive shows a message on its way in to the filters, from the outside in on a server.
func (p *passage) receive(c *Call, m any) *cqrpc.Error {
	return p.each(c, m, !p.start.IsServer, func(h *hooks) func(any) error { return h.onRecv })
}

func (p *passage) each(c *Call, m any, isReverse bool, pick func(*hooks) func(any) error) *cqrpc.Error {
	for i := range p.hooks {
		if isReverse {
			i = len(p.hooks) - 1 - i
		}
		if hook := pick(&p.hooks[i]); hook != nil {
			if err := p.show(c, m, hook); err != nil {
				return err
			}
		}
	}
	return nil
}

// show shows a message to one filter.
func (p *passage) show(c *Call, m any, hook func(any) error) (refusal *cqrpc.Error) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		v := recover()
		refusal = p.panicked(v)
		if v == nil { // runtime.Goexit: nobody gets what is returned
			c.abandon(refusal.Status, nil)
		}
	}()
	if err := hook(m); err != nil {
		refusal = refusalOf(err)
	}
	hasReturned = true
	return refusal
}

// isDueLocked reports, once, that the filters are to be told the end of the call. That
// waits until all delivered messages are harvested, because one that does not decode
// replaces an OK.
func (p *passage) isDueLocked(c *Call) bool {
	if c.phase != over || p.undecoded > 0 || p.isTold {
		return false
	}
	p.isTold = true
	return true
}

// takePassing is takeMessage of a message that goes through filters.
func (b *batch) takePassing() *cqrpc.Error {
	c, p := b.call, b.call.passage
	defer p.harvested(c) // even if a codec panics
	return b.takeMessage()
}

// pass shows a message that was decoded to the filters.
func (b *batch) pass(body *mem.Buffer) *cqrpc.Error {
	c := b.call
	if b.isValue {
		return c.passage.take(c, b.value, body.Len())
	}
	return c.passage.take(c, body, body.Len())
}

// take shows a message to the filters, and counts it unless one refuses it.
func (p *passage) take(c *Call, m any, size int) *cqrpc.Error {
	if err := p.receive(c, m); err != nil {
		return err
	}
	c.mu.Lock()
	p.received.add(size)
	c.mu.Unlock()
	return nil
}

// harvested notes that a delivered message has been taken, or dropped.
func (p *passage) harvested(c *Call) {
	c.mu.Lock()
	p.undecoded--
	isDue := p.isDueLocked(c)
	c.mu.Unlock()
	if isDue {
		p.end(c)
	}
}

// end tells the filters the end of the call.
func (p *passage) end(c *Call) {
	c.mu.Lock()
	e := End{Status: c.end.status, Peer: c.peerLocked(), Sent: p.sent, Received: p.received}
	if c.isServer() && c.end.how == byStatus && p.answer != nil {
		e.Status = *p.answer
	}
	c.mu.Unlock()
	p.tell(e)
}

func (p *passage) tell(e End) { p.tellFrom(len(p.hooks), &e) }

// tellFrom tells the filters before the n-th, from the inside out.
func (p *passage) tellFrom(n int, e *End) {
	for n--; n >= 0; n-- {
		if p.hooks[n].onEnd != nil {
			p.tellOne(n, e)
		}
	}
}

func (p *passage) tellOne(n int, e *End) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		v := recover()
		_ = p.panicked(v) // the call has its status
		if v == nil {     // runtime.Goexit: the loop does not go on
			p.tellFrom(n, e)
		}
	}()
	p.hooks[n].onEnd(*e)
	hasReturned = true
}
