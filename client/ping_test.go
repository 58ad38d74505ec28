package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

func TestPing(t *testing.T) {
	play(t, func(s *scene) {
		if _, err := s.ch.Ping(s.Context()); err == nil {
			s.Error("Ping of an idle channel succeeded")
		}
		s.wantDials("Ping does not connect")
		p := s.connected()
		var rtt time.Duration
		var err error
		go func() { rtt, err = s.ch.Ping(s.Context()) }()
		ping := p.WantPing("asked for")
		s.advance(30 * time.Millisecond)
		p.WritePing(true, [8]byte(ping.Payload))
		synctest.Wait()
		if rtt != 30*time.Millisecond || err != nil {
			s.Errorf("Ping = %v, %v; want 30ms", rtt, err)
		}

		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if _, err := s.ch.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Ping without answer = %v; want the context's error", err)
		}
		p.WantPing("asked for")
		go func() { _, err = s.ch.Ping(s.Context()) }()
		p.WantPing("asked for")
		p.Close()
		synctest.Wait()
		if err == nil {
			s.Error("Ping over a lost connection succeeded")
		}
	})
}

func TestPingTo(t *testing.T) {
	play(t, func(s *scene) {
		q := cq.New()
		ping := func(tag cq.Tag) {
			s.Helper()
			if err := s.ch.PingTo(q, tag); err != nil {
				s.Fatal("PingTo:", err)
			}
		}
		ping("idle")
		s.wantEvent("there is no connection", q, "idle", false)
		p := s.connected()
		ping("answered")
		payload := p.WantPing("asked for").Payload
		s.wantNoEvent("no answer yet", q)
		p.WritePing(true, [8]byte(payload))
		s.wantEvent("answered", q, "answered", true)
		ping("lost")
		p.Close()
		s.wantEvent("the connection ended", q, "lost", false)
		q.Shutdown()
		if err := s.ch.PingTo(q, "late"); !errors.Is(err, cq.ErrShutdown) {
			s.Errorf("PingTo = %v; want %v", err, cq.ErrShutdown)
		}
	})
}
