package reactor_test

import (
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// echoService is the service of C++'s callback tests: what it shall do besides
// echoing stands in the request's metadata.
//
//	cancel  before, during, after: when the server gives up
//	echo    comes back as initial metadata, and as trailing metadata in echo-trailing
var echoService = []func(opts ...reactor.Option) server.Handler{echoUnary, echoReads, echoWrites, echoBidi}

// prelude does what the metadata says for all methods.
func prelude(ctx *reactor.Context) (cancel string) {
	if v := ctx.Metadata().Get("echo"); v != "" {
		_ = ctx.SetHeader(cqrpc.Pairs("echo", v))
		_ = ctx.SetTrailer(cqrpc.Pairs("echo-trailing", v))
	}
	cancel = ctx.Metadata().Get("cancel")
	if cancel == "before" {
		ctx.TryCancel()
	}
	return cancel
}

func echoUnary(opts ...reactor.Option) server.Handler {
	return reactor.Unary(unary, func(ctx *reactor.Context, req, res *text) reactor.UnaryReactor {
		prelude(ctx)
		res.Value = req.Value
		r := ctx.DefaultReactor()
		if code := ctx.Metadata().Get("code"); code != "" {
			c, _ := cqrpc.ParseCode(code)
			r.Finish(cqrpc.Status{Code: c, Message: "as you wish"})
		}
		r.Finish(ok)
		return r
	}, opts...)
}

// joiner answers with all requests in one.
type joiner struct {
	reactor.ReadBase[text]
	ctx    *reactor.Context
	cancel string
	req    text
	res    *text
}

func echoReads(opts ...reactor.Option) server.Handler {
	return reactor.ClientStream(clientStream, func(ctx *reactor.Context, res *text) reactor.ReadReactor[text] {
		j := &joiner{ctx: ctx, res: res, cancel: prelude(ctx)}
		j.StartRead(&j.req)
		return j
	}, opts...)
}

func (j *joiner) OnReadDone(ok bool) {
	if ok {
		j.res.Value += j.req.Value
		if j.cancel == "during" {
			j.ctx.TryCancel()
		}
		j.StartRead(&j.req)
		return
	}
	if j.cancel == "after" {
		j.ctx.TryCancel()
	}
	j.Finish(cqrpc.Status{})
}

// splitter writes the parts of the request.
type splitter struct {
	reactor.WriteBase[text]
	ctx    *reactor.Context
	cancel string
	parts  []string
}

func echoWrites(opts ...reactor.Option) server.Handler {
	return reactor.ServerStream(serverStream, func(ctx *reactor.Context, req *text) reactor.WriteReactor[text] {
		s := &splitter{ctx: ctx, parts: strings.Fields(req.Value), cancel: prelude(ctx)}
		s.next()
		return s
	}, opts...)
}

func (s *splitter) OnWriteDone(bool) {
	if s.cancel == "during" {
		s.ctx.TryCancel()
	}
	s.next()
}

func (s *splitter) next() {
	if len(s.parts) == 0 {
		if s.cancel == "after" {
			s.ctx.TryCancel()
		}
		s.Finish(cqrpc.Status{})
		return
	}
	m := wrapperspb.String(s.parts[0])
	s.parts = s.parts[1:]
	s.StartWrite(m)
}

// parrot answers every request with itself.
type parrot struct {
	reactor.BidiBase[text, text]
	ctx    *reactor.Context
	cancel string
	req    text
	code   string
}

func echoBidi(opts ...reactor.Option) server.Handler {
	return reactor.BidiStream(bidi, func(ctx *reactor.Context) reactor.BidiReactor[text, text] {
		p := &parrot{ctx: ctx, cancel: prelude(ctx), code: ctx.Metadata().Get("code")}
		p.StartRead(&p.req)
		return p
	}, opts...)
}

func (p *parrot) OnReadDone(ok bool) {
	if ok {
		p.StartWrite(&p.req)
		return
	}
	if p.cancel == "after" {
		p.ctx.TryCancel()
	}
	code, _ := cqrpc.ParseCode(p.code)
	if p.code == "" {
		code = cqrpc.CodeOK
	}
	p.Finish(cqrpc.Status{Code: code})
}

func (p *parrot) OnWriteDone(ok bool) {
	if !ok {
		p.Finish(cqrpc.Status{Code: cqrpc.CodeAborted})
		return
	}
	if p.cancel == "during" {
		p.ctx.TryCancel()
	}
	p.StartRead(&p.req)
}

// deaf never answers.
func deaf(opts ...reactor.Option) server.Handler {
	return reactor.BidiStream(bidi, func(*reactor.Context) reactor.BidiReactor[text, text] {
		return new(reactor.BidiBase[text, text])
	}, opts...)
}

// untiring answers every request with itself, and does not end when the client has.
type untiring struct {
	reactor.BidiBase[text, text]
	req text
}

func echoUntiringly(opts ...reactor.Option) server.Handler {
	return reactor.BidiStream(bidi, func(*reactor.Context) reactor.BidiReactor[text, text] {
		u := new(untiring)
		u.StartRead(&u.req)
		return u
	}, opts...)
}

func (u *untiring) OnReadDone(ok bool) {
	if ok {
		u.StartWrite(&u.req)
	}
}

func (u *untiring) OnWriteDone(bool) { u.StartRead(&u.req) }
