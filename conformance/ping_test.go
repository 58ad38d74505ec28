package conformance

import (
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/parity"
)

var ping = call.Method[parity.Message, parity.Message]{Name: "/" + parity.ServiceName + "/Ping"}

// TestIdleClientAnswersPings is about time, and so one silence for all pairings: a server asks a client that is
// silent whether it lives, each second being the shortest that both makes allow. The answers are counted: how soon
// one has to come, the machine says. Windows are fixed, so that nothing else is sent in the silence but the last of
// the handshake, which is less than two answers.
func TestIdleClientAnswersPings(t *testing.T) {
	t.Parallel()
	const window, answers = 65535, 5
	type silence struct {
		name   string
		wire   *parity.Wire
		wanted int64 // of what the server has received
		stream parity.Duplex
	}
	var all []silence
	for _, p := range pairings(t) {
		h := p.Serve(t, parity.Serving{Service: parity.Echo(), Pings: true, Window: window})
		c := p.DialAs(t, parity.Dialing{Address: h.Address, Window: window})
		s, err := c.BidiStream(parity.Within(t), parity.Options{})
		parity.Want(t, p.Name()+" begins", err)
		parity.Want(t, p.Name()+" before the silence", parity.Rally(s, []byte("before")))
		octets := int64(answers * (9 + 8))
		if p.Credentials != nil {
			octets += answers * (5 + 1 + 16) // the record of TLS 1.3 around each
		}
		all = append(all, silence{p.Name(), h.Wire, h.Wire.Received.Load() + octets, s})
	}
	ctx := parity.Within(t)
	for _, s := range all {
		for ctx.Err() == nil && s.wire.Received.Load() < s.wanted {
			<-time.After(10 * time.Millisecond)
		}
		parity.Want(t, s.name+" answers", ctx.Err())
		parity.Want(t, s.name+" after the silence", parity.Rally(s.stream, []byte("after")))
		parity.Want(t, "CloseSend", s.stream.CloseSend())
		_, err := s.stream.Recv()
		parity.WantEnd(t, "after CloseSend", err)
	}
}

// TestPingFlood pings more than a server stands for. It answers with GOAWAY
// (gRFC A8); the client connects again, and calls do not notice.
func TestPingFlood(t *testing.T) {
	for _, kind := range hosts {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			h := kind.Start(t, nil, parity.Serving{})
			ch, err := parity.NewChannel(parity.Dialing{Address: h.Address})
			parity.Want(t, "dial", err)
			defer ch.Close()
			parity.Want(t, "AwaitReady", ch.AwaitReady(parity.Within(t)))
			ctx := parity.Within(t)
			for err == nil {
				_, err = ch.Ping(ctx)
			}
			parity.Want(t, "pings were answered until "+err.Error(), ctx.Err())
			_, err = client.Unary(parity.Within(t), ch, ping, new(parity.Message), client.WithWaitForReady(true))
			parity.Want(t, "Ping", err)
		})
	}
}
