package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// most is how much of one direction of a connection is kept.
const most = 4 << 10

// tap is a proxy that remembers what crosses it.
type tap struct {
	lis net.Listener
	to  string // the server's address
	wg  sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	toServer, toClient []*excerpt
}

// excerpt is the beginning of one direction of a connection.
type excerpt struct{ bytes.Buffer }

func (e *excerpt) Write(p []byte) (int, error) {
	e.Buffer.Write(p[:min(len(p), most-e.Len())])
	return len(p), nil
}

func newTap(to string) (*tap, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tap{lis: lis, to: to}
	t.wg.Go(t.accept)
	return t, nil
}

func (t *tap) address() string { return t.lis.Addr().String() }

func (t *tap) accept() {
	for {
		nc, err := t.lis.Accept()
		if err != nil {
			return
		}
		t.wg.Go(func() { t.relay(nc) })
	}
}

func (t *tap) relay(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", t.to)
	if err != nil {
		return
	}
	defer far.Close()
	up, down := new(excerpt), new(excerpt)
	t.mu.Lock()
	t.toServer, t.toClient = append(t.toServer, up), append(t.toClient, down)
	t.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { pass(far, io.TeeReader(near, up)) })
	wg.Go(func() { pass(near, io.TeeReader(far, down)) })
	wg.Wait()
}

// pass copies and passes the end on, too.
func pass(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	if tc, ok := to.(*net.TCPConn); ok {
		_ = tc.CloseWrite()
	}
}

// save ends the tap and writes what it has heard.
func (t *tap) save(out, session string) error {
	_ = t.lis.Close()
	t.wg.Wait()
	for way, all := range map[string][]*excerpt{"to-server": t.toServer, "to-client": t.toClient} {
		for _, e := range all {
			if e.Len() == 0 {
				continue
			}
			name := fmt.Sprintf("%s-%.4x", session, sha256.Sum256(e.Bytes()))
			if err := os.WriteFile(filepath.Join(out, way, name), e.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
