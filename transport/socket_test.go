//go:build unix

package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/frame"
)

// ends returns two ends of a connection of the kernel's.
func ends(t *testing.T, network, address string) (a, b net.Conn) {
	t.Helper()
	lis, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if a, err = net.Dial(network, lis.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = lis.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// testRoom tells when it is dropped.
type testRoom struct {
	p       []byte
	dropped chan struct{} // capacity 1
}

func newTestRoom() *testRoom { return &testRoom{dropped: make(chan struct{}, 1)} }

func (r *testRoom) Take() []byte {
	if r.p == nil {
		r.p = make([]byte, 64)
	}
	return r.p
}

func (r *testRoom) Drop() {
	r.p = nil
	select {
	case r.dropped <- struct{}{}:
	default:
	}
}

// isHeld reports whether the room is in use. Not while somebody reads.
func (r *testRoom) isHeld() bool { return r.p != nil }

// patientEnds calls f with both ends of each kind of socket, the second as a
// PatientReader.
func patientEnds(t *testing.T, f func(t *testing.T, peer net.Conn, nc net.Conn, in frame.PatientReader)) {
	for _, test := range []struct {
		name             string
		network, address string
		isSecure         bool
	}{
		{"tcp", "tcp", "127.0.0.1:0", false},
		{"unix", "unix", filepath.Join(t.TempDir(), "socket"), false},
		{"TLS on tcp", "tcp", "127.0.0.1:0", true},
		{"TLS on unix", "unix", filepath.Join(t.TempDir(), "secure"), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			peer, nc := ends(t, test.network, test.address)
			if test.isSecure {
				peer, nc = encrypted(t, peer, nc)
			}
			in, try := facets(nc)
			patient, ok := in.(frame.PatientReader)
			if !ok || try == nil {
				t.Fatalf("%T is not patient, or cannot try", in)
			}
			f(t, peer, nc, patient)
		})
	}
}

// Read waits without room, and takes room for what has come.
func TestSocketWaitsWithoutRoom(t *testing.T) {
	patientEnds(t, func(t *testing.T, peer, _ net.Conn, in frame.PatientReader) {
		room := newTestRoom()
		go func() {
			<-room.dropped
			_, _ = peer.Write([]byte("abc"))
		}()
		if n, err := in.ReadInto(room); n != 3 || err != nil || !room.isHeld() || string(room.p[:n]) != "abc" {
			t.Fatal(n, err)
		}
		_, _ = peer.Write([]byte("de"))
		_ = peer.Close()
		if n, err := in.ReadInto(room); n != 2 || err != nil || string(room.p[:n]) != "de" {
			t.Fatal(n, err)
		}
		if n, err := in.ReadInto(room); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
	})
}

// A deadline that is set, comes, and is lifted while a read waits is obeyed.
func TestSocketObeysDeadlines(t *testing.T) {
	patientEnds(t, func(t *testing.T, peer, nc net.Conn, in frame.PatientReader) {
		room := newTestRoom()
		go func() {
			<-room.dropped
			_ = nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		}()
		if n, err := in.ReadInto(room); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || room.isHeld() {
			t.Errorf("a deadline that is set during a read: %d, %v, held %v", n, err, room.isHeld())
		}
		_, _ = peer.Write([]byte("x"))
		if n, err := in.ReadInto(room); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline that has passed: %d, %v", n, err)
		}
		_ = nc.SetReadDeadline(time.Time{})
		if n, err := in.ReadInto(room); n != 1 || err != nil {
			t.Errorf("a deadline that was lifted: %d, %v", n, err)
		}
	})
}

// Whatever ends the connection ends a read.
func TestSocketEnds(t *testing.T) {
	patientEnds(t, func(t *testing.T, _, nc net.Conn, in frame.PatientReader) {
		room := newTestRoom()
		go func() {
			<-room.dropped
			_ = nc.Close()
		}()
		if n, err := in.ReadInto(room); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed while it waits: %d, %v", n, err)
		}
	})
	peer, nc := ends(t, "tcp", "127.0.0.1:0")
	in, _ := facets(nc)
	room := newTestRoom()
	go func() {
		<-room.dropped
		_ = peer.(*net.TCPConn).SetLinger(0)
		_ = peer.Close()
	}()
	if n, err := in.(frame.PatientReader).ReadInto(room); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset by the peer: %d, %v", n, err)
	}
}

// selfSigned is the TLS configuration of a server with a certificate that nobody trusts.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// encrypted performs the TLS handshake over two ends of a connection: peer's is not
// our doing, and nc's is.
func encrypted(t *testing.T, peer, nc net.Conn) (securePeer *tls.Conn, secure net.Conn) {
	t.Helper()
	cfg := selfSigned(t)
	done := make(chan error, 1)
	securePeer = tls.Client(peer, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
	go func() { done <- securePeer.Handshake() }()
	secure, err := ServerTLS(t.Context(), nc, cfg)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	return securePeer, secure
}

// TLS that was made on something else waits with the room of a frame header only.
func TestTLSWaitsWithLittleRoom(t *testing.T) {
	raw, nc := ends(t, "tcp", "127.0.0.1:0")
	secure := selfSigned(t)
	done := make(chan error, 1)
	peer := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	go func() { done <- peer.Handshake() }()
	tc := tls.Server(nc, secure)
	if err := errors.Join(tc.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	in, try := facets(tc)
	if try != nil {
		t.Error("TLS can try")
	}
	room := newTestRoom()
	var got []byte
	go func() {
		<-room.dropped
		_, _ = peer.Write([]byte("a frame header and more"))
		_ = peer.CloseWrite()
	}()
	for {
		n, err := in.(frame.PatientReader).ReadInto(room)
		if n > 0 {
			got = append(got, room.p[:n]...)
		}
		if err != nil {
			if err != io.EOF || string(got) != "a frame header and more" {
				t.Errorf("%q, %v", got, err)
			}
			return
		}
	}
}
