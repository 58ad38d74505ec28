package longpipe

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

func TestMain(m *testing.M) { leak.Main(m) }

// tube carries from the first to the second on the fake clock.
func tube(l Link) (in, out *memconn.Conn, done chan struct{}) {
	in, src := memconn.Pipe()
	dst, out := memconn.Pipe()
	done = make(chan struct{})
	go func() {
		defer close(done)
		carry(dst, src, l)
		dst.Close()
	}()
	return in, out, done
}

func TestAByteArrivesAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out, done := tube(Link{Delay: 25 * time.Millisecond, Rate: 1e9, Buffer: 1 << 20})
		start := time.Now()
		if _, err := in.Write([]byte{7}); err != nil {
			t.Fatal(err)
		}
		in.Close()
		got, err := io.ReadAll(out)
		if took := time.Since(start); len(got) != 1 || err != nil || took.Round(time.Microsecond) != 25*time.Millisecond {
			t.Errorf("%v, %v after %v", got, err, took)
		}
		<-done
		out.Close()
	})
}

func TestBytesArriveInOrderAtTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out, done := tube(Link{Delay: 25 * time.Millisecond, Rate: 1e6, Buffer: 1 << 20})
		want := make([]byte, 2_000_000)
		for i := range want {
			want[i] = byte(i >> 8)
		}
		start := time.Now()
		go func() {
			_, _ = in.Write(want)
			in.Close()
		}()
		got, err := io.ReadAll(out)
		took := time.Since(start)
		if !bytes.Equal(got, want) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if took.Round(time.Millisecond) != 2025*time.Millisecond {
			t.Errorf("took %v, want 2 s and the delay", took)
		}
		<-done
		out.Close()
	})
}

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 4 * piece
		src, taken := &endless{}, make(chan struct{})
		dst, out := memconn.Pipe()
		go func() {
			defer close(taken)
			carry(dst, src, Link{Delay: time.Hour, Rate: 1e12, Buffer: buffer})
		}()
		synctest.Wait()
		if src.read != buffer {
			t.Errorf("%d bytes were read, want %d", src.read, buffer)
		}
		out.Close() // what arrives finds nobody
		<-taken
		if !src.closed {
			t.Error("the source is open, though nobody takes its bytes")
		}
		dst.Close()
	})
}

// endless is a source that never waits.
type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}
