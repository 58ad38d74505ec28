package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/ledger"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// guest is a client of one style.
type guest struct {
	style  string
	caller parity.Caller
}

// invite makes a client of each style.
func (r *run) invite() error {
	for _, k := range append([]parity.CallerKind{ledger.CallerKind(&r.book)}, parity.Callers...) {
		c, err := k.Dial(parity.Dialing{
			Address: "passthrough:///soak",
			Options: []client.Option{client.WithDialer(r.site.dial), client.WithTransport(alive)},
		})
		if err != nil {
			return err
		}
		r.party = append(r.party, &guest{k.Name, c})
	}
	return nil
}

// visit is one call: what it will be, and what it came to.
type visit struct {
	caller    parity.Caller
	ctx       context.Context //nolint:containedctx // of this call
	style     string          // of the server
	shape     string
	requests  [][]byte
	options   parity.Options
	act       string
	deadline  time.Duration
	isGivenUp bool // the client cancels it

	got []byte
}

var shapeNames = []string{"Unary", "ServerStream", "ClientStream", "BidiStream"}

// call makes one call and judges it.
func (r *run) call(g *guest, rnd *rand.Rand) {
	v := plan(g, rnd)
	began := time.Now() // before the deadline is set: it is not to seem early
	ctx, cancel := context.WithTimeout(context.Background(), v.deadline)
	defer cancel()
	if v.isGivenUp {
		t := time.AfterFunc(time.Duration(rnd.IntN(30000))*time.Microsecond, cancel)
		defer t.Stop()
	}
	v.ctx = ctx
	err := v.run()
	code := cqrpc.CodeOf(err)
	if int(code) < len(r.ends) {
		r.ends[code].Add(1)
	}
	if why := v.judge(err, time.Since(began)); why != nil {
		r.violation(fmt.Errorf("%s to %s %s, %q, deadline %v, given up %v: %w",
			g.style, v.style, v.shape, v.act, v.deadline, v.isGivenUp, why))
	}
}

// plan decides on everything about a call.
func plan(g *guest, rnd *rand.Rand) *visit {
	v := &visit{
		caller: g.caller, style: styles[rnd.IntN(len(styles))], shape: shapeNames[rnd.IntN(4)],
		deadline: 10 * time.Second, isGivenUp: rnd.IntN(8) == 0,
	}
	if rnd.IntN(5) == 0 {
		v.deadline = time.Duration(1+rnd.IntN(60)) * time.Millisecond
	}
	n, isBurst := 1, false // of small messages, more than there is room for at once
	if v.shape == "ClientStream" || v.shape == "BidiStream" {
		n = rnd.IntN(6)
		isBurst = rnd.IntN(8) == 0
	}
	if isBurst {
		n = rnd.IntN(500)
	}
	for range n {
		size := rnd.IntN(300)
		if !isBurst && rnd.IntN(8) == 0 {
			size = rnd.IntN(200_000) // beyond any window
		}
		v.requests = append(v.requests, parity.Noise(size, rnd.Uint64()))
	}
	if rnd.IntN(4) == 0 {
		v.act = []string{"fail", "cancel", "slow", "late"}[rnd.IntN(4)]
	}
	if v.act == "late" { // nobody else ends it
		v.deadline = time.Duration(1+rnd.IntN(200)) * time.Millisecond
	}
	md := cqrpc.Pairs(actKey, v.act)
	if rnd.IntN(3) == 0 {
		md = append(md, cqrpc.Pairs(echoKey, string(parity.Noise(rnd.IntN(500), 1)))...)
	}
	v.options = parity.Options{
		Method: prefix(v.style) + v.shape, Metadata: md,
		Gzip: rnd.IntN(4) == 0, WaitForReady: rnd.IntN(2) == 0,
	}
	return v
}

// run makes the call; nil is OK.
func (v *visit) run() error {
	var err error
	switch v.shape {
	case "Unary":
		v.got, err = v.caller.Unary(v.ctx, v.requests[0], v.options)
	case "ServerStream":
		var s parity.Output
		if s, err = v.caller.ServerStream(v.ctx, v.requests[0], v.options); err == nil {
			err = v.receive(s)
		}
	case "ClientStream":
		var s parity.Input
		if s, err = v.caller.ClientStream(v.ctx, v.options); err == nil {
			v.send(s)
			v.got, err = s.CloseAndRecv()
		}
	case "BidiStream":
		var s parity.Duplex
		if s, err = v.caller.BidiStream(v.ctx, v.options); err == nil {
			var sending sync.WaitGroup
			sending.Go(func() {
				v.send(s)
				_ = s.CloseSend() // the end says why not
			})
			err = v.receive(s)
			sending.Wait()
		}
	}
	return err
}

func (v *visit) send(s interface{ Send(req []byte) error }) {
	for _, req := range v.requests {
		if s.Send(req) != nil {
			return // the end says why
		}
	}
}

func (v *visit) receive(s parity.Output) error {
	for {
		res, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		v.got = append(v.got, res...)
	}
}

// judge returns why the call must not have ended so.
func (v *visit) judge(err error, took time.Duration) error {
	if took > v.deadline+hang/2 {
		return fmt.Errorf("took %v and ended with %w", took, err)
	}
	want := bytes.Join(v.requests, nil)
	if v.shape == "ServerStream" {
		want = bytes.Repeat(want, 3)
	}
	if (v.shape == "ServerStream" || v.shape == "BidiStream") && !bytes.HasPrefix(want, v.got) {
		return fmt.Errorf("%v after %d bytes that are not the first of the response", cqrpc.CodeOf(err), len(v.got))
	}
	switch cqrpc.CodeOf(err) {
	case cqrpc.CodeOK:
		if !bytes.Equal(v.got, want) {
			return fmt.Errorf("OK with %d bytes, want %d, or other ones", len(v.got), len(want))
		}
		if v.act == "fail" {
			return errors.New("OK, although it was to fail")
		}
	case cqrpc.CodeUnavailable:
	case cqrpc.CodeAborted:
		if v.act != "fail" {
			return err
		}
	case cqrpc.CodeCanceled:
		if !v.isGivenUp && v.act != "cancel" && v.act != "late" {
			return err
		}
	case cqrpc.CodeDeadlineExceeded:
		if took < v.deadline-50*time.Millisecond {
			return fmt.Errorf("after %v: %w", took, err)
		}
	default:
		return err
	}
	return nil
}
