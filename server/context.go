package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Context is the server's side of one call, in every style: the context.Context
// of the handler, and where it reads the request's metadata and sets that of
// the response. It ends when the call does, for whatever reason. Its channel is made
// only when Done is called, which most handlers never do. It has no timer: the
// deadline ends the call, and so the context.
//
// The zero value belongs to no call yet: it never ends and has no metadata.
// All methods may be called concurrently. It must not be copied.
type Context struct {
	// immutable once bound
	call  *call.Call
	rpc   *rpc         // sync style only
	ended cq.Completer // told after the context has ended; may be nil

	mu sync.Mutex
	// guarded by mu
	begun     bool // initial metadata is out
	isWatched bool // the call tells its end
	how       contextEnd
	more      *contextMore // what most calls do not use, made when they do
}

// contextEnd is whether and why a context has ended.
type contextEnd uint8

const (
	notEnded contextEnd = iota
	wasCancelled
	pastDeadline
)

func (e contextEnd) err() error {
	switch e {
	case wasCancelled:
		return context.Canceled
	case pastDeadline:
		return context.DeadlineExceeded
	}
	return nil
}

// contextMore is the rest of a Context. Guarded by its mu.
type contextMore struct {
	header  cqrpc.Metadata
	trailer cqrpc.Metadata
	done    chan struct{} // made by the first Done
	funcs   []*func()     // of AfterFunc
}

// moreLocked returns more, made if need be, to be written to.
func (c *Context) moreLocked() *contextMore {
	if c.more == nil {
		c.more = new(contextMore)
	}
	return c.more
}

// seeLocked returns more, or noMore, to be read.
func (c *Context) seeLocked() *contextMore {
	if c.more == nil {
		return &noMore
	}
	return c.more
}

// noMore is never written to.
var noMore contextMore

var _ context.Context = (*Context)(nil)

// contextKey is the key under which a derived context finds its Context.
type contextKey struct{}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	if c.call == nil {
		return time.Time{}, false
	}
	return c.call.Deadline()
}

// Value implements context.Context.
func (c *Context) Value(key any) any {
	switch {
	case key == (contextKey{}):
		return c
	case c.call == nil:
		return nil
	}
	return c.call.Value(key)
}

// Err implements context.Context.
func (c *Context) Err() error {
	if c.call != nil && c.call.Finished() {
		c.end()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.how.err()
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	more := c.moreLocked()
	if more.done == nil {
		more.done = make(chan struct{})
		if c.how != notEnded {
			close(more.done)
		}
	}
	done := more.done
	c.mu.Unlock()
	c.watch()
	return done
}

// AfterFunc lets package context derive contexts without a goroutine that
// waits for Done. f runs on a goroutine of its own when the context ends.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	entry := &f
	if !c.follow(entry) {
		go f()
		return func() bool { return false }
	}
	c.watch()
	return func() bool { return c.stop(entry) }
}

// follow lists a function of AfterFunc. It reports false if the context has ended.
func (c *Context) follow(entry *func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how != notEnded {
		return false
	}
	more := c.moreLocked()
	more.funcs = append(more.funcs, entry)
	return true
}

func (c *Context) stop(entry *func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.seeLocked().funcs, entry)
	if i < 0 {
		return false
	}
	c.more.funcs = slices.Delete(c.more.funcs, i, i+1)
	return true
}

// watch has the end of the call end the context, once.
func (c *Context) watch() {
	c.mu.Lock()
	isDue := c.call != nil && !c.isWatched && c.how == notEnded
	c.isWatched = c.isWatched || isDue
	c.mu.Unlock()
	if isDue {
		c.call.OnEnd((*closing)(c))
	}
}

// closing is told that the call has ended.
type closing Context

func (c *closing) Begin() bool { return true }

func (c *closing) Complete(done cq.Completion) {
	isCancelled := !done.OK
	(*Context)(c).end()
	if isCancelled {
		c.call.Close() // nobody will read what has arrived
	}
	if c.ended != nil {
		c.ended.Complete(cq.Completion{OK: !isCancelled})
	}
}

// end ends the context; only the first call acts.
func (c *Context) end() {
	how := wasCancelled
	if d, ok := c.Deadline(); ok && !time.Now().Before(d) {
		how = pastDeadline
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how != notEnded {
		return
	}
	c.how = how
	if c.more == nil {
		return
	}
	if c.more.done != nil {
		close(c.more.done)
	}
	for _, f := range c.more.funcs {
		go (*f)()
	}
	c.more.funcs = nil
}

// String names the call and shows nothing of its metadata.
func (c *Context) String() string { return "server.Context(" + c.Method() + ")" }

// Call is the call itself, for propagation to client calls on its behalf; nil
// before there is one. Its batches are the style's business.
func (c *Context) Call() *call.Call { return c.call }

// Method is the full name, "/package.Service/Method".
func (c *Context) Method() string {
	if c.call == nil {
		return ""
	}
	return c.call.Method()
}

// Authority is the host the client asked for.
func (c *Context) Authority() string {
	if c.call == nil {
		return ""
	}
	return c.call.Authority()
}

// Metadata is that of the request, to be read only: calls with the same headers share
// it. What is to be changed is a Clone.
func (c *Context) Metadata() cqrpc.Metadata {
	if c.call == nil {
		return nil
	}
	return c.call.RequestMetadata()
}

// Peer is the client: its address, and with TLS the handshake's state with the
// client's certificates (C++ auth_context).
func (c *Context) Peer() call.Peer {
	if c.call == nil {
		return call.Peer{}
	}
	return c.call.Peer()
}

// SetHeader adds md to the initial metadata, which goes out with the first
// response. The error is ErrHeaderSent if it has, or says which entry is illegal.
func (c *Context) SetHeader(md cqrpc.Metadata) error {
	if err := md.Validate(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun {
		return ErrHeaderSent
	}
	more := c.moreLocked()
	more.header = append(more.header, md...)
	return nil
}

// SetTrailer adds md to the trailing metadata, which goes out with the status:
// set it before that. The error says which entry is illegal.
func (c *Context) SetTrailer(md cqrpc.Metadata) error {
	if err := md.Validate(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	more := c.moreLocked()
	more.trailer = append(more.trailer, md...)
	return nil
}

// SetCompressor makes the response's messages go out in another encoding than
// the server's default, "identity" for none, if the client accepts it. It must
// come before the first response; see [call.Call.SetCompressor] for the errors.
func (c *Context) SetCompressor(name string) error {
	if c.call == nil {
		return ErrNoCall
	}
	return c.call.SetCompressor(name)
}

// TryCancel ends the call: the client sees CANCELLED unless the call has ended.
func (c *Context) TryCancel() {
	if c.call != nil {
		c.call.CancelWithStatus(cqrpc.CodeCanceled, "Cancelled on the server side")
	}
}

// IsCancelled reports whether the call has ended otherwise than by a status
// that the application sent: the client cancelled it or is gone, its deadline
// passed, or TryCancel.
func (c *Context) IsCancelled() bool { return c.call != nil && c.call.Cancelled() }
