//go:build unix

package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// secureEnds returns a TLS connection: the peer's end, the socket below that, and ours.
func secureEnds(t *testing.T) (peer *tls.Conn, below *batched, s *secureSocket) {
	t.Helper()
	raw, nc := ends(t, "tcp", "127.0.0.1:0")
	below = &batched{TCPConn: raw.(*net.TCPConn)}
	peer, secure := encrypted(t, below, nc)
	in, _ := facets(secure)
	s, ok := in.(*secureSocket)
	if !ok {
		t.Fatalf("a TLS connection of ours is read as %T", in)
	}
	return peer, below, s
}

// batched is a socket that holds back what is written until it is released: then that comes together, as
// several writes need not.
type batched struct {
	*net.TCPConn
	isHeld bool
	rest   []byte
}

func (b *batched) Write(p []byte) (int, error) {
	if !b.isHeld {
		return b.TCPConn.Write(p)
	}
	b.rest = append(b.rest, p...)
	return len(p), nil
}

// together has what f writes come together.
func (b *batched) together(t *testing.T, f func() error) {
	t.Helper()
	b.isHeld = true
	err := f()
	b.isHeld = false
	if err == nil {
		_, err = b.Write(b.rest)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.rest = nil
}

// noise is n octets that are not all the same.
func noise(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * i >> 8)
	}
	return p
}

// wideRoom is a room for much.
type wideRoom struct{ p []byte }

func (r *wideRoom) Take() []byte {
	if r.p == nil {
		r.p = make([]byte, 4096)
	}
	return r.p
}

func (r *wideRoom) Drop() { r.p = nil }

// Records that have come together are read together, as far as there is room.
func TestSecureReadsRecordsTogether(t *testing.T) {
	peer, below, s := secureEnds(t)
	var want []byte
	below.together(t, func() error {
		for _, record := range []string{"one", "two", "three"} {
			if _, err := io.WriteString(peer, record); err != nil {
				return err
			}
			want = append(want, record...)
		}
		return nil
	})
	var room wideRoom
	if n, err := s.ReadInto(&room); err != nil || !bytes.Equal(room.p[:n], want) {
		t.Errorf("%q, %v; want %q", room.p[:n], err, want)
	}
	small := &testRoom{p: make([]byte, 4), dropped: make(chan struct{}, 1)}
	_, _ = io.WriteString(peer, "123456")
	for _, want := range []string{"1234", "56"} {
		if n, err := s.ReadInto(small); err != nil || string(small.Take()[:n]) != want {
			t.Errorf("%q, %v; want %q", small.p[:n], err, want)
		}
		small.p = make([]byte, 4)
	}
}

// drip writes to a connection octet by octet.
type drip struct{ net.Conn }

func (d drip) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// A record may come in pieces, to a reader that waits for it and to one inside a frame.
func TestSecureReadsRecordsInPieces(t *testing.T) {
	raw, nc := ends(t, "tcp", "127.0.0.1:0")
	peer, secure := encrypted(t, drip{raw}, nc)
	s := secured(secure)
	want := noise(3000)
	for range 2 {
		go func() { _, _ = peer.Write(want) }()
	}
	var room wideRoom
	var got []byte
	for len(got) < len(want)+10 {
		n, err := s.ReadInto(&room)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, room.Take()[:n]...)
	}
	rest := make([]byte, 2*len(want)-len(got))
	if _, err := io.ReadFull(s, rest); err != nil {
		t.Fatal(err)
	}
	if got = append(got, rest...); !bytes.Equal(got, append(want, want...)) {
		t.Error("what was read is not what was written")
	}
}

// What is left of a record when a frame has been read comes with the next wait.
func TestSecureReadLeavesTheRest(t *testing.T) {
	peer, _, s := secureEnds(t)
	_, _ = io.WriteString(peer, "first, second")
	p := make([]byte, 7)
	if _, err := io.ReadFull(s, p); err != nil || string(p) != "first, " {
		t.Fatalf("%q, %v", p, err)
	}
	var room wideRoom
	if n, err := s.ReadInto(&room); err != nil || string(room.p[:n]) != "second" {
		t.Errorf("%q, %v", room.p[:n], err)
	}
}

// A peer that is gone without saying so has left between two records, or in one.
func TestSecureEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		last []byte // the beginning of a record
		want error
	}{
		{"between records", nil, io.EOF},
		{"in a header", []byte{23, 3}, io.ErrUnexpectedEOF},
		{"in a record", []byte{23, 3, 3, 0, 99, 1}, io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, below, s := secureEnds(t)
			_, _ = below.Write(tc.last)
			_ = below.CloseWrite()
			if n, err := s.ReadInto(new(wideRoom)); n != 0 || !errors.Is(err, tc.want) {
				t.Errorf("%d, %v; want %v", n, err, tc.want)
			}
		})
	}
}

// A socket that is full is not waited for, and loses nothing: what TryWrite has taken
// is written later, before what others write.
func TestSecureTryWrite(t *testing.T) {
	peer, _, s := secureEnds(t)
	var want []byte
	for isFull := false; !isFull; { // for good: the kernel may find room when what it has sent is acknowledged
		for _, p := range [][]byte{noise(200_000), []byte("more")} {
			n, err := s.TryWrite(p)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, p[:n]...)
			isFull = n == 0
		}
	}
	if s.isSent() {
		t.Error("the socket is full, and everything was sent")
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Conn.(*tls.Conn).CloseWrite() }() // an alert, behind the rest
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d octets came, %v; want the %d that were taken", len(got), err, len(want))
	}
	if err := <-ended; err != nil || !s.isSent() {
		t.Errorf("%v, is sent: %v", err, s.isSent())
	}
}

// Write waits until all is sent, also what TryWrite has left.
func TestSecureWrite(t *testing.T) {
	peer, _, s := secureEnds(t)
	first := noise(20 << 20)
	n, err := s.TryWrite(first)
	if err != nil || n == len(first) {
		t.Fatalf("%d, %v: the socket takes everything", n, err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Write(first[n:])
		done <- errors.Join(err, s.drain())
	}()
	got := make([]byte, len(first))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, first) {
		t.Errorf("%v", err)
	}
	if err := <-done; err != nil || !s.isSent() {
		t.Errorf("%v, is sent: %v", err, s.isSent())
	}
}

// A deadline ends a write that waits, as it has to when a connection is closed.
func TestSecureWriteObeysDeadlines(t *testing.T) {
	_, _, s := secureEnds(t)
	_ = s.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
	var ne net.Error
	if _, err := s.Write(noise(20 << 20)); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("%v; want a deadline", err)
	}
}

// An error of the socket is returned by the write, and by all later ones.
func TestSecureWriteFails(t *testing.T) {
	_, below, s := secureEnds(t)
	_ = below.SetLinger(0)
	_ = below.Close()
	for range 2 {
		if _, err := s.Write(noise(20 << 20)); err == nil {
			t.Error("written to nobody")
		}
	}
	if !s.isSent() {
		t.Error("what cannot be sent is kept")
	}
}

// A reader that rests reads with little room only until something comes: a record is
// not read in pieces of that size.
func TestSecureRestEnds(t *testing.T) {
	peer, below, s := secureEnds(t)
	s.attach(new(Conn))
	s.below.conn.rest.rests = true
	want := noise(4000)
	below.together(t, func() error { // it may be several records
		_, err := peer.Write(want)
		return err
	})
	var room wideRoom
	n, err := s.ReadInto(&room)
	if err != nil || !bytes.Equal(room.p[:n], want) {
		t.Errorf("%d octets, %v", n, err)
	}
	if s.below.conn.rest.rests {
		t.Error("the reader still rests")
	}
}
