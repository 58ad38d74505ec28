package server

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// The end of the server, or of all its calls, may come while a connection begins and is neither a socket of
// the server's any more nor a transport yet. It is found as soon as HTTP/2 has begun.
func TestEndMeetsABeginning(t *testing.T) {
	for name, end := range map[string]func(s *Server, c *conn){
		"CancelAllCalls": func(_ *Server, c *conn) { c.cut = true },
		"Shutdown":       func(s *Server, _ *conn) { s.phase.to(stopping) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New()
				near, far := net.Pipe()
				c := &conn{server: s, limit: -1}
				if !s.addConn(c, far) {
					t.Fatal("the server has ended")
				}
				end(s, c)
				begun := time.Now()
				c.establish(far)
				if _, err := io.Copy(io.Discard, near); err != nil {
					t.Error(err)
				}
				if d := time.Since(begun); d > 5*time.Second {
					t.Errorf("the connection ends after %v", d)
				}
				_ = near.Close()
				synctest.Wait()
			})
		})
	}
}
