package client

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/transport"
)

// current is the connection that the channel uses.
func (s *scene) current() *transport.Conn {
	conn, _ := s.picker().pick(pickInfo{})
	return conn
}

func (s *scene) picker() picker {
	s.ch.mu.Lock()
	defer s.ch.mu.Unlock()
	return s.ch.picker
}

// sub is the subchannel that the channel balances over.
func (s *scene) sub() *subchannel { return s.ch.balancer.(*subchannel) }

// The news that a connection takes no streams travels by three ways: the
// stream that is refused, the subchannel and the channel. Whichever comes
// first, the call goes to a new connection.
func TestCallMeetsConnectionThatTakesNoStreams(t *testing.T) {
	for name, prepare := range map[string]func(s *scene, conn *transport.Conn){
		"nobody else knows": func(*scene, *transport.Conn) {},
		"the subchannel knows, its update is under way": func(s *scene, _ *transport.Conn) {
			s.sub().mu.Lock()
			s.sub().forgetLocked()
			s.sub().failures = 0
			s.sub().mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.connected()
				conn := s.current()
				prepare(s, conn)
				conn.Drain()
				r := s.unary(s.Context(), "a")
				p := s.server("the call connects")
				wantCall(p, "on the new connection", 1, unaryMethod.Name, "a")
				answer(p, 1, "b")
				s.wantOK("answered", r, "b")
			})
		})
	}
}

// A call may be listed after the subchannel gave a connection up and before the
// channel is told: the update must not leave it there.
func TestCallThatWaitsWhenTheConnectionGoes(t *testing.T) {
	play(t, func(s *scene) {
		s.connected()
		conn := s.current()
		s.ch.drop(s.picker(), conn)
		r := s.unary(s.Context(), "a")
		s.wantWaiting("the subchannel thinks it is connected", 1)
		s.wantDials("the subchannel thinks it is connected", 0)
		s.sub().release(conn, errors.New("gone"))
		conn.Drain()
		p := s.server("the waiting call connects")
		wantCall(p, "on the new connection", 1, unaryMethod.Name, "a")
		answer(p, 1, "b")
		s.wantOK("answered", r, "b")
	})
}

// Updates may overtake each other.
func TestUpdatesOutOfOrder(t *testing.T) {
	play(t, func(s *scene) {
		s.connected()
		conn := s.current()
		late := update{seq: 100, state: Ready, pick: newSingle(conn)}
		s.ch.onUpdate(update{seq: 101, state: Idle})
		s.ch.onUpdate(late)
		s.wantState("the late update is out of date", Idle)
		s.ch.Close()
		s.ch.onUpdate(update{seq: 102, state: Ready, pick: newSingle(conn)})
		s.wantState("nothing comes after Shutdown", Shutdown)
	})
}

// The attempt that is being adopted while it is given up, because the channel closes or
// is idle, is closed too.
func TestAdoptAfterGivingUp(t *testing.T) {
	play(t, func(s *scene) {
		s.ch.Connect()
		nc := s.accept("Connect connects")
		s.sub().mu.Lock()
		s.sub().forgetLocked() // before it is cancelled
		s.sub().mu.Unlock()
		if err := http2.NewFramer(nc, nil).WriteSettings(); err != nil {
			s.Fatal(err)
		}
		s.wantState("not adopted", Connecting)
		if _, err := io.Copy(io.Discard, nc); err != nil {
			s.Errorf("the client hangs up: %v", err)
		}
	})
}

// lockedBuffer is a bytes.Buffer for a logger.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) holds(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.buf.Bytes(), []byte(text))
}

func TestLogger(t *testing.T) {
	var out lockedBuffer
	play(t, func(s *scene) {
		s.net.Refuse(syscall.ECONNREFUSED)
		s.ch.Connect()
		s.wantState("refused", TransientFailure)
		s.net.Refuse(nil)
		s.ch.ResetBackoff()
		s.accepted = 1 // the refused one
		p := s.server("hurried")
		p.WriteGoAway(0, http2.ErrCodeNo, "bye")
		s.wantState("drained", Idle)
		for _, want := range []string{"refused", "channel: connected", "mem.test:50051", "GOAWAY"} {
			if !out.holds(want) {
				s.Errorf("the log has no %q", want)
			}
		}
	}, WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
}
