package parity

import (
	"testing"

	"github.com/cqrpc/cqrpc"
)

// So many zeros, and what is left of it at most when it was compressed.
const (
	Puffed = 256 << 10
	shrunk = 16 << 10
)

// WantShrunk fails unless few bytes crossed the wire, and wantPuffed unless
// many did: that a call succeeds does not say that it was compressed.
func WantShrunk(t *testing.T, direction string, bytes int64) {
	t.Helper()
	if bytes > shrunk {
		t.Errorf("%s: %d bytes on the wire for %d of zeros, want them compressed", direction, bytes, Puffed)
	}
}

func wantPuffed(t *testing.T, direction string, bytes int64) {
	t.Helper()
	if bytes < Puffed {
		t.Errorf("%s: %d bytes on the wire for %d, want them as they are", direction, bytes, Puffed)
	}
}

func clientCompresses(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{})
	c := p.Dial(t, h)
	req := wish{Ballast: Puffed}.bytes()
	_, err := c.Unary(Within(t), req, Options{Gzip: true})
	Want(t, "Unary", err)
	s := begin[Input](t)(c.ClientStream(Within(t), Options{Gzip: true}))
	Want(t, "Send", s.Send(req))
	_, err = s.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	WantShrunk(t, "requests", h.Wire.Received.Load())
}

func serverCompresses(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{Gzip: true})
	c := p.Dial(t, h)
	res, err := c.Unary(Within(t), wish{Sizes: []int{Puffed}, Ballast: Puffed}.bytes(), Options{})
	Want(t, "Unary", err)
	wantBody(t, "response", res, make([]byte, Puffed))
	s := begin[Output](t)(c.ServerStream(Within(t), asking(Puffed, 1, Puffed), Options{}))
	for _, n := range []int{Puffed, 1, Puffed} {
		wantNext(t, s, make([]byte, n))
	}
	wantDone(t, s)
	wantPuffed(t, "request", h.Wire.Received.Load())
	WantShrunk(t, "responses", h.Wire.Sent.Load())
}

func bothCompress(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{Service: Echo(), Gzip: true})
	s := begin[Duplex](t)(p.Dial(t, h).BidiStream(Within(t), Options{Gzip: true}))
	for _, body := range [][]byte{make([]byte, Puffed), nil, Noise(1000, 1), make([]byte, 10), {1}} {
		Want(t, "Send", s.Send(body))
		wantNext(t, s, body)
	}
	Want(t, "CloseSend", s.CloseSend())
	wantDone(t, s)
	WantShrunk(t, "requests", h.Wire.Received.Load())
	WantShrunk(t, "responses", h.Wire.Sent.Load())
}

// A message that is small on the wire and large in memory is a bomb.
func inflatedLimit(t *testing.T, p *Pairing) {
	c := p.Dial(t, p.Serve(t, Serving{Gzip: true, MaxRecv: Puffed / 2}))
	_, err := c.Unary(Within(t), make([]byte, Puffed), Options{Gzip: true})
	WantCode(t, "request over the server's limit", err, cqrpc.CodeResourceExhausted)
	_, err = c.Unary(Within(t), asking(Puffed), Options{MaxRecv: Puffed / 2})
	WantCode(t, "response over the client's limit", err, cqrpc.CodeResourceExhausted)
}
