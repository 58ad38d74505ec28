package memconn_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/internal/memconn"
)

// FuzzProgram runs random operations against a model that is one byte slice:
// what is written comes out in order and once, whatever the limits, stalls and
// deadlines in between.
func FuzzProgram(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			client, server := memconn.Pipe()
			var written, read []byte
			for range 100 {
				step(t, r, client, server, &written, &read)
			}
			client.SetDeadline(time.Time{})
			client.CloseWrite()
			server.Resume()
			server.SetReadDeadline(time.Time{})
			rest, err := io.ReadAll(server)
			if err != nil || !bytes.Equal(written, append(read, rest...)) {
				t.Fatalf("wrote %d bytes, read %d and %d, %v", len(written), len(read), len(rest), err)
			}
			client.Close()
			server.Close()
		})
	})
}

// step does one operation; reads and writes have a deadline on the fake clock,
// so that none waits for ever.
func step(t *testing.T, r *rand.Rand, client, server *memconn.Conn, written, read *[]byte) {
	switch r.IntN(6) {
	case 0:
		client.SetWriteLimit(r.IntN(64))
	case 1:
		server.SetReadBufferSize(r.IntN(16))
	case 2:
		server.Stall()
	case 3:
		server.Resume()
	case 4:
		client.SetWriteDeadline(time.Now().Add(time.Duration(r.IntN(3)) * time.Second))
		p := make([]byte, r.IntN(100))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		n, err := client.Write(p)
		*written = append(*written, p[:n]...)
		wantOnlyTimeout(t, n == len(p), err)
	case 5:
		server.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(3)) * time.Second))
		p := make([]byte, 1+r.IntN(100))
		n, err := server.Read(p)
		*read = append(*read, p[:n]...)
		wantOnlyTimeout(t, n > 0, err)
	}
}

// wantOnlyTimeout checks that an operation is complete or has run out of time.
func wantOnlyTimeout(t *testing.T, complete bool, err error) {
	t.Helper()
	var timeout net.Error
	switch {
	case err == nil && complete:
	case errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &timeout) && timeout.Timeout():
	default:
		t.Fatalf("complete %v, error %v", complete, err)
	}
}
