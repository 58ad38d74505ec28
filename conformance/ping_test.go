package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/parity"
)

var ping = call.Method[parity.Message, parity.Message]{Name: "/" + parity.ServiceName + "/Ping"}

// TestIdleClientAnswersPings is about time, and so one silence for all pairings:
// a server asks a client that is silent whether it lives, each second being the
// shortest that both makes allow. A client that did not answer would be cut off
// before the end of the third second.
func TestIdleClientAnswersPings(t *testing.T) {
	t.Parallel()
	var silent []parity.Duplex
	all := pairings(t)
	for _, p := range all {
		h := p.Serve(t, parity.Serving{Service: parity.Echo(), Pings: true})
		s, err := p.Dial(t, h).BidiStream(parity.Within(t), parity.Options{})
		parity.Want(t, p.Name()+" begins", err)
		parity.Want(t, p.Name()+" before the silence", parity.Rally(s, []byte("before")))
		silent = append(silent, s)
	}
	silence, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	<-silence.Done()
	for i, s := range silent {
		parity.Want(t, all[i].Name()+" after the silence", parity.Rally(s, []byte("after")))
		parity.Want(t, "CloseSend", s.CloseSend())
		_, err := s.Recv()
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
