//go:build unix

package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// lastWord tells how a connection has ended.
type lastWord chan error

func (lastWord) OnReady()                                   {}
func (lastWord) OnDrain(error)                              {}
func (lastWord) OnStream(*Stream, *frame.Headers, *cq.Lane) {}
func (w lastWord) OnClosed(err error)                       { w <- err }

// A client that does nothing but change its keys, for which the server has to change its own, is
// sent away. crypto/tls wants a little data in between, which may be frames that cost nothing.
func TestKeyChangesAreBounded(t *testing.T) {
	raw, nc := ends(t, "tcp", "127.0.0.1:0")
	var log strings.Builder
	peer := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}, KeyLogWriter: &log})
	shaken := make(chan error, 1)
	go func() { shaken <- peer.Handshake() }()
	secure, err := ServerTLS(t.Context(), nc, selfSigned(t))
	if err := errors.Join(err, <-shaken); err != nil {
		t.Fatal(err)
	}
	closed := make(lastWord, 1)
	New(Server, secure, Config{Budgets: Budgets{Glitches: Budget{Burst: 100}}}, closed)
	go func() { _, _ = io.Copy(io.Discard, raw) }()

	k := changeKeys(t, peer, raw, log.String())
	var update bytes.Buffer
	f := http2.NewFramer(&update, nil)
	_ = f.WriteWindowUpdate(0, 1)
	greeting := []byte(http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	out := k.record(nil, dataRecord, greeting)
	for i := range 2000 {
		if i%8 == 7 {
			out = k.record(out, dataRecord, update.Bytes())
		}
		if out = k.change(t, out); len(out) > 8<<10 {
			if _, err := raw.Write(out); err != nil {
				break
			}
			out = out[:0]
		}
	}
	_ = raw.(*net.TCPConn).CloseWrite()
	var ce *frame.ConnError
	if err := <-closed; !errors.As(err, &ce) || ce.Code != frame.EnhanceYourCalm ||
		!strings.Contains(ce.Reason, "changes of TLS keys") {
		t.Errorf("%v; want the connection to end because of the changes", err)
	}
}

// What a peer has made us write, and takes slowly, is kept once.
func TestCipherTextKeepsWhatIsLeft(t *testing.T) {
	var text cipherText
	var want []byte
	for i := range 100_000 {
		p := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		text.add(p)
		if want = append(want, p...); i > 100 { // never all
			want = want[len(p):]
			text.sent += len(p)
		}
	}
	if !bytes.Equal(text.buf[text.sent:], want) {
		t.Error("what is left is not what was added last")
	}
	if n := cap(text.buf); n > 8*len(want) {
		t.Errorf("%d octets of room for the %d that are left", n, len(want))
	}
}
