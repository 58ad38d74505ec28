package client

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
)

func TestServerStream(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var trailer cqrpc.Metadata
		stream := s.serverStream("a", TrailerTo(&trailer))
		wantCall(p, "headers, message and end", 1, serverMethod.Name, "a")
		p.Response(1, "h", "1")
		header, err := stream.Header()
		if err != nil || header.Get("h") != "1" {
			s.Errorf("Header = %v, %v", header, err)
		}
		if got := stream.Peer().String(); got != "mem:server" {
			s.Errorf("Peer = %v", got)
		}
		for i := range 5 {
			p.WriteMessage(1, false, []byte(fmt.Sprint(i)))
			s.wantRecv("in order", stream.Recv, fmt.Sprint(i))
		}
		p.WriteMessage(1, false, []byte("again"))
		res := message("what was in it before")
		if err := stream.RecvInto(res); err != nil || string(*res) != "again" {
			s.Errorf("RecvInto = %v, %q", err, *res)
		}
		p.Trailers(1, 0, "t", "2")
		s.wantEnd("OK", stream.Recv)
		if got := stream.Trailer(); got.Get("t") != "2" || trailer.Get("t") != "2" {
			s.Errorf("Trailer = %v, TrailerTo gave %v", got, trailer)
		}
		stream.Close()
		s.wantEnd("Close changes nothing", stream.Recv)
	})
}

// streaming_error_response: what arrived before the error is delivered.
func TestServerStreamError(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteMessage(1, false, []byte("2"))
		p.Trailers(1, 8, "grpc-message", "enough")
		synctest.Wait()
		s.wantRecv("sent before the error", stream.Recv, "1")
		s.wantRecv("sent before the error", stream.Recv, "2")
		_, first := stream.Recv()
		s.wantError("the end", first, cqrpc.CodeResourceExhausted, "enough")
		for range 3 {
			if _, err := stream.Recv(); !errors.Is(err, first) {
				s.Errorf("Recv after the end = %v; want %v again", err, first)
			}
		}
	})
}

// Initial metadata that has come is returned without an error, whatever has become of the call
// since: a proxy would otherwise lose it, and the messages after it.
func TestHeaderOfACallThatHasFailedSince(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1, "h", "1")
		p.WriteMessage(1, false, []byte("1"))
		p.Trailers(1, 8, "grpc-message", "enough")
		synctest.Wait()
		header, err := stream.Header()
		if err != nil || header.Get("h") != "1" {
			s.Errorf("Header = %v, %v; want what has come", header, err)
		}
		s.wantRecv("sent before the error", stream.Recv, "1")
		_, err = stream.Recv()
		s.wantError("the status", err, cqrpc.CodeResourceExhausted, "enough")
		if header, err := stream.Header(); err != nil || header.Get("h") != "1" {
			s.Errorf("after the end Header = %v, %v; want the same", header, err)
		}
	})
}

func TestServerStreamOfNothing(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.TrailersOnly(1, 0)
		s.wantEnd("OK", stream.Recv)
		if header, err := stream.Header(); len(header) != 0 || err != nil {
			s.Errorf("Header = %v, %v; want none", header, err)
		}
	})
}

func TestServerStreamAll(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.WriteMessage(1, false, []byte("2"))
		p.Trailers(1, 0)
		var got []string
		for res, err := range stream.All() {
			if err != nil {
				s.Fatal("All:", err)
			}
			got = append(got, string(*res))
		}
		if fmt.Sprint(got) != "[1 2]" {
			s.Errorf("All = %v", got)
		}
		p.WantIdle("the stream had ended")
	})
}

func TestServerStreamAllWithError(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		p.Trailers(1, 13, "grpc-message", "broken")
		var errs []error
		n := 0
		for res, err := range stream.All() {
			if err != nil {
				errs = append(errs, err)
			} else if n++; string(*res) != "1" {
				s.Errorf("All yields %q", *res)
			}
		}
		if n != 1 || len(errs) != 1 {
			s.Fatalf("%d messages, errors %v", n, errs)
		}
		s.wantError("last", errs[0], cqrpc.CodeInternal, "broken")
	})
}

func TestServerStreamAllLeftEarly(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a")
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		p.Response(1)
		for range 10 {
			p.WriteMessage(1, false, []byte("1"))
		}
		synctest.Wait()
		for range stream.All() {
			break
		}
		p.WantRST("leaving the loop ends the call", 1, http2.ErrCodeCancel)
		_, err := stream.Recv()
		s.wantError("closed", err, cqrpc.CodeCanceled)
	})
}

// A message larger than the windows arrives all the same.
func TestServerStreamOfLargeMessages(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.serverStream("a", WithMaxRecvMessage(-1))
		wantCall(p, "sent", 1, serverMethod.Name, "a")
		large := strings.Repeat("x", 1<<20)
		p.Response(1)
		for range 3 {
			p.WriteMessage(1, false, []byte(large))
			s.wantRecv("whole", stream.Recv, large)
		}
		p.Trailers(1, 0)
		s.wantEnd("OK", stream.Recv)
	}, bigWindows)
}
