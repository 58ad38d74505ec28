package parity

import (
	"testing"

	"github.com/cqrpc/cqrpc"
	"google.golang.org/protobuf/proto"
)

func hugeMessages(t *testing.T, p *Pairing) {
	const size = 16 << 20
	h := p.Serve(t, Serving{Service: Echo(), MaxRecv: size + 100})
	body := Noise(size, 1)
	res, err := p.Dial(t, h).Unary(Within(t), body, Options{MaxRecv: size + 100})
	Want(t, "Unary", err)
	wantBody(t, "response", res, body)
}

const limit = 10_000

// weighing is a body whose message is n bytes long on the wire.
func weighing(t *testing.T, n int) []byte {
	t.Helper()
	for body := n; body >= 0; body-- {
		if b := make([]byte, body); proto.Size(&Message{Value: b}) == n {
			return b
		}
	}
	t.Fatalf("no message is %d bytes long", n)
	return nil
}

// wantLimit makes calls with just the limit, one byte more, and, where the
// limit is that of the receiver, so much more that the message is refused by its
// prefix.
func wantLimit(t *testing.T, c Caller, o Options) {
	t.Helper()
	_, err := c.Unary(Within(t), weighing(t, limit), o)
	Want(t, "a message of just the limit", err)
	for _, n := range []int{limit + 1, 100 * limit} {
		_, err = c.Unary(Within(t), weighing(t, n), o)
		WantCode(t, "a larger message", err, cqrpc.CodeResourceExhausted)
	}
	Want(t, "the next call", ping(Within(t), c, Options{}))
}

func clientRecvLimit(t *testing.T, p *Pairing) {
	wantLimit(t, p.Connect(t, Echo()), Options{MaxRecv: limit})
}

func serverRecvLimit(t *testing.T, p *Pairing) {
	wantLimit(t, p.Dial(t, p.Serve(t, Serving{Service: Echo(), MaxRecv: limit})), Options{})
}

func clientSendLimit(t *testing.T, p *Pairing) {
	wantLimit(t, p.Connect(t, Echo()), Options{MaxSend: limit})
}

func serverSendLimit(t *testing.T, p *Pairing) {
	wantLimit(t, p.Dial(t, p.Serve(t, Serving{Service: Echo(), MaxSend: limit})), Options{})
}

// A limit holds for each message of a stream, and what came before is received.
func streamRecvLimit(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	s := begin[Output](t)(c.ServerStream(Within(t), asking(1000, 2000, 2*limit), Options{MaxRecv: limit}))
	wantNext(t, s, make([]byte, 1000))
	wantNext(t, s, make([]byte, 2000))
	wantFailure(t, s, cqrpc.CodeResourceExhausted)
	Want(t, "the next call", ping(Within(t), c, Options{}))
}
