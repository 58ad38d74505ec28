package client

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// attemptDelay is the Connection Attempt Delay: how long an address is tried alone
// (gRFC A61, RFC 8305 section 5).
const attemptDelay = 250 * time.Millisecond

// round tries the addresses of a target, each as far as the server's SETTINGS (gRFC A61):
// in order, the next one when the latest has failed or was tried alone for attemptDelay,
// until one is connected or all have failed.
type round struct {
	// immutable
	attempts []*attempt // to be made, in this order

	// owned by run
	errs     []error // by attempt: why it failed
	started  int
	failed   int
	outcomes chan outcome
}

// outcome is what became of attempt i.
type outcome struct {
	i   int
	h   *connHandler
	err error
}

// run returns the first connection that is ready, and ends what is still being tried.
func (r *round) run(ctx context.Context) (*connHandler, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.errs, r.outcomes = make([]error, len(r.attempts)), make(chan outcome)
	alone := time.NewTimer(0)
	defer alone.Stop()
	for {
		select {
		case <-alone.C:
			if r.startNext(ctx) {
				alone.Reset(attemptDelay)
			}
		case o := <-r.outcomes:
			if o.err == nil {
				return o.h, nil
			}
			r.errs[o.i] = o.err
			if r.failed++; r.failed == len(r.attempts) {
				return nil, r.failure()
			}
			if o.i == r.started-1 {
				alone.Reset(0)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// startNext starts another attempt, if there is one.
func (r *round) startNext(ctx context.Context) bool {
	if r.started == len(r.attempts) {
		return false
	}
	i := r.started
	r.started++
	go func() {
		a := r.attempts[i]
		o := outcome{i: i, err: a.failure(errDialerExited)} // unless run returns
		defer func() { r.report(ctx, o) }()
		o.h, o.err = a.run(ctx)
	}()
	return true
}

// report hands o over to run, if that has not returned.
func (r *round) report(ctx context.Context, o outcome) {
	select {
	case r.outcomes <- o:
	case <-ctx.Done():
		if o.err == nil {
			o.h.conn.Close()
		}
	}
}

// failure is why no address was connected.
func (r *round) failure() error {
	addresses := make([]string, len(r.attempts))
	for i, a := range r.attempts {
		addresses[i] = a.at.Addr
	}
	return r.attempts[0].sub.target.failure(addresses, r.errs)
}

// failure makes one error of many: errs[i] is why addresses[i] of t was not connected.
func (t *target) failure(addresses []string, errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	named := make(failures, len(errs))
	for i, err := range errs {
		named[i] = naming(addresses[i], addresses[i], err)
	}
	name := t.address
	if len(t.others) > 0 {
		name = t.text
	}
	return fmt.Errorf("none of the %d addresses of %s: %w", len(errs), name, named)
}

// failures are errors of several addresses, on one line.
type failures []error

// maxToldFailures bounds the text: a name may have any number of addresses.
const maxToldFailures = 16

func (f failures) Error() string {
	var b strings.Builder
	for i, err := range f {
		if i == maxToldFailures {
			fmt.Fprintf(&b, "; and %d more", len(f)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

func (f failures) Unwrap() []error { return f }
