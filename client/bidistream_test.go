package client

import (
	"fmt"
	"io"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

func TestBidiStream(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		for i := range 10 { // ping_pong_streaming
			req, res := fmt.Sprint("ping ", i), fmt.Sprint("pong ", i)
			if err := stream.Send(message(req)); err != nil {
				s.Fatal("Send:", err)
			}
			p.WantMessage("at once", 1, false, []byte(req))
			if i == 0 {
				p.Response(1)
			}
			p.WriteMessage(1, false, []byte(res))
			s.wantRecv("in turn", stream.Recv, res)
		}
		if err := stream.CloseSend(); err != nil {
			s.Error("CloseSend:", err)
		}
		p.WantData("half-closed", 1, true, nil)
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send after CloseSend = %v; want io.EOF", err)
		}
		if err := stream.CloseSend(); err != nil {
			s.Error("CloseSend again:", err)
		}
		p.WriteMessage(1, false, []byte("more"))
		s.wantRecv("the other half is open", stream.Recv, "more")
		p.Trailers(1, 0)
		s.wantEnd("OK", stream.Recv)
	})
}

// One goroutine sends while another receives.
func TestBidiStreamBothWaysAtOnce(t *testing.T) {
	play(t, func(s *scene) {
		s.serveEvery(serveEcho)
		stream := s.bidiStream()
		const n = 500
		var both sync.WaitGroup
		both.Go(func() {
			for i := range n {
				if err := stream.Send(message(fmt.Sprint(i))); err != nil {
					s.Errorf("Send %d: %v", i, err)
				}
			}
			if err := stream.CloseSend(); err != nil {
				s.Error("CloseSend:", err)
			}
		})
		both.Go(func() {
			i := 0
			for res, err := range stream.All() {
				if err != nil || string(*res) != fmt.Sprint(i) {
					s.Errorf("message %d: %v, %v", i, res, err)
					return
				}
				i++
			}
			if i != n {
				s.Errorf("%d messages came back; want %d", i, n)
			}
		})
		both.Wait()
	})
}

func TestBidiStreamAllLeftEarly(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.bidiStream()
		p.WantRequest("opened", 1, bidiMethod.Name)
		p.Response(1)
		p.WriteMessage(1, false, []byte("1"))
		for res, err := range stream.All() {
			if err != nil || string(*res) != "1" {
				s.Errorf("All yields %v, %v", res, err)
			}
			break
		}
		p.WantRST("leaving the loop ends the call", 1, http2.ErrCodeCancel)
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
	})
}
