package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Soak says how long the soak cases last and what they put up with.
type Soak struct {
	Iterations  int
	MaxFailures int           // a call that fails or is too slow is a failure
	MaxLatency  time.Duration // of a call
	Timeout     time.Duration // of all
	Interval    time.Duration // between a thread's calls

	RequestSize, ResponseSize int // bytes
	Threads                   int
	Log                       io.Writer // a line per call; writes are concurrent
}

// soak is one run.
type soak struct {
	Soak
	caller func() (from parity.Caller, done func() error, err error) // for one call

	mu sync.Mutex
	// guarded by mu
	succeeded, failed int
}

// rpcSoak makes all calls on one channel.
func rpcSoak(ctx context.Context, c *Client) error {
	return c.soak(ctx, func() (parity.Caller, func() error, error) {
		return c.caller, func() error { return nil }, nil
	})
}

// channelSoak makes a channel for each call.
func channelSoak(ctx context.Context, c *Client) error {
	return c.soak(ctx, func() (parity.Caller, func() error, error) {
		caller, err := c.config.Dial()
		if err != nil {
			return nil, nil, err
		}
		return caller, caller.Close, nil
	})
}

func (c *Client) soak(ctx context.Context, caller func() (parity.Caller, func() error, error)) error {
	s := &soak{Soak: c.config.Soak, caller: caller}
	if s.Threads < 1 || s.Iterations < 1 || s.Iterations%s.Threads != 0 {
		return fmt.Errorf("%d iterations can not be shared by %d threads", s.Iterations, s.Threads)
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var work sync.WaitGroup
	for i := range s.Threads {
		work.Go(func() { s.work(ctx, i, c.options) })
	}
	work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.succeeded + s.failed; done < s.Iterations {
		return fmt.Errorf("%d of %d iterations in %v", done, s.Iterations, s.Timeout)
	}
	if s.failed > s.MaxFailures {
		return fmt.Errorf("%d of %d iterations failed, want at most %d", s.failed, s.Iterations, s.MaxFailures)
	}
	return nil
}

type completeOptions func(name string, o parity.Options) parity.Options

// work is one thread.
func (s *soak) work(ctx context.Context, thread int, complete completeOptions) {
	for i := range s.Iterations / s.Threads {
		if i > 0 && !rest(ctx, s.Interval) {
			return
		}
		begin := time.Now()
		err := s.iterate(ctx, complete)
		took := time.Since(begin)
		if ctx.Err() != nil {
			return // out of time, which is not the call's failure
		}
		if err == nil && took > s.MaxLatency {
			err = fmt.Errorf("took longer than %v", s.MaxLatency)
		}
		s.note(thread, i, took, err)
	}
}

// rest waits for d and reports whether there is time left.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// iterate makes one call.
func (s *soak) iterate(ctx context.Context, complete completeOptions) error {
	from, done, err := s.caller()
	if err != nil {
		return err
	}
	req := &testpb.SimpleRequest{ResponseSize: int32(s.ResponseSize), Payload: payload(s.RequestSize)}
	res := new(testpb.SimpleResponse)
	name := testservice.UnaryCall.Name
	err = unaryOf(ctx, from, name, req, res, complete(name, parity.Options{}))
	if err == nil {
		err = wantSize(res.GetPayload(), s.ResponseSize)
	}
	return errors.Join(err, done())
}

func (s *soak) note(thread, iteration int, took time.Duration, err error) {
	fate := "succeeded"
	if err != nil {
		fate = "failed: " + err.Error()
	}
	s.mu.Lock()
	if err != nil {
		s.failed++
	} else {
		s.succeeded++
	}
	s.mu.Unlock()
	_, _ = fmt.Fprintf(s.Log, "thread %d, iteration %d, %d ms: %s\n", thread, iteration, took.Milliseconds(), fate)
}
