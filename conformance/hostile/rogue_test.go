package hostile

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// rogue is a server that babbles.
type rogue struct {
	lis  net.Listener
	cred *parity.Credentials
	all  sync.WaitGroup
}

func newRogue(lis net.Listener, cred *parity.Credentials, seed uint64) *rogue {
	g := &rogue{lis: lis, cred: cred}
	g.all.Go(func() {
		for n := uint64(0); ; n++ {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			g.all.Go(func() {
				defer nc.Close()
				b := &babbler{dice: rand.New(rand.NewPCG(seed, n)), tcp: nc.(*net.TCPConn)}
				_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
				g.serve(b, nc)
			})
		}
	})
	return g
}

func (g *rogue) close() {
	_ = g.lis.Close()
	g.all.Wait()
}

// serve is one connection.
func (g *rogue) serve(b *babbler, nc net.Conn) {
	if b.one(30) {
		b.linger(50 * time.Millisecond)
		return
	}
	if g.cred != nil {
		secure := tls.Server(nc, &tls.Config{
			Certificates: []tls.Certificate{g.cred.Certificate}, NextProtos: []string{"h2"},
		})
		if secure.Handshake() != nil {
			return
		}
		nc = secure
	}
	b.talk(nc)
	if !b.one(20) {
		b.settings()
		_ = b.out.Flush()
	}
	asked := make(chan uint32)
	go func() {
		defer close(asked)
		overhear(nc, asked)
	}()
	b.attend(asked)
	b.leave()
	for range asked {
	}
}

// overhear tells which streams are opened and which messages come.
func overhear(nc net.Conn, asked chan<- uint32) {
	p := make([]byte, len(http2.ClientPreface))
	if n, err := nc.Read(p); err != nil || n < len(p) {
		return
	}
	f := http2.NewFramer(nil, nc)
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch fr.Header().Type {
		case http2.FrameHeaders, http2.FrameData:
			asked <- fr.Header().StreamID
		}
	}
}

// attend answers what is asked for, in its way.
func (b *babbler) attend(asked <-chan uint32) {
	isWild := b.one(5)
	for n := b.dice.IntN(400); n > 0 && !b.isOut; n-- {
		var id uint32
		select {
		case at, ok := <-asked:
			if !ok {
				return
			}
			id = at
			if b.open = append(b.open, id); len(b.open) > 20 {
				b.open = b.open[1:]
			}
		case <-time.After(rand.N(5 * time.Millisecond)):
			id = b.some()
		}
		switch {
		case isWild && b.one(20):
			b.offend(id)
		case b.one(3):
			b.respond(id)
		case b.one(60):
			last := [...]uint32{0, id, 1<<31 - 1}[b.dice.IntN(3)]
			_ = b.WriteGoAway(last, http2.ErrCode(b.dice.IntN(15)), b.junk(b.dice.IntN(40)))
		default:
			b.gossip(id)
		}
		if b.one(2) {
			_ = b.out.Flush()
		}
	}
}

// respond says a response, or some of it.
func (b *babbler) respond(id uint32) {
	ok := []string{":status", "200", "content-type", "application/grpc"}
	if b.one(3) {
		ok = append(ok, "grpc-encoding", [...]string{"gzip", "identity", "lzma"}[b.dice.IntN(3)])
	}
	if b.one(8) {
		ok = append(ok, "x", strings.Repeat("v", b.dice.IntN(20000)))
	}
	code := func() string { return [...]string{"0", "0", "0", "14", "8", "99", "x", ""}[b.dice.IntN(8)] }
	switch b.dice.IntN(8) {
	case 0: // alone
		more := []string{"grpc-status", code(), "grpc-message", "%zz%41"}
		if b.one(2) {
			more = append(more, "grpc-retry-pushback-ms", [...]string{"0", "1", "20", "-1", "x", "4294967295"}[b.dice.IntN(6)])
		}
		b.headers(id, true, append(ok, more...)...)
	case 1:
		b.headers(id, b.one(5), ":status", [...]string{"100", "103", "404", "503", "204", "abc"}[b.dice.IntN(6)])
	case 2:
		b.headers(id, false, ok...)
	default:
		b.headers(id, false, ok...)
		for range b.dice.IntN(4) {
			b.message(id)
		}
		b.headers(id, true, "grpc-status", code())
	}
}
