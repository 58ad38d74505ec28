package hostile

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// rioter is one connection of a client that babbles.
type rioter struct {
	babbler
	x    *arena
	next uint32 // stream identifier
}

func newRioter(x *arena, seed uint64) *rioter {
	return &rioter{babbler: babbler{dice: rand.New(rand.NewPCG(seed, 7))}, x: x, next: 1}
}

// play is all of a connection.
func (r *rioter) play() {
	nc, err := net.Dial("tcp", r.x.address)
	if err != nil {
		return
	}
	defer nc.Close()
	r.tcp = nc.(*net.TCPConn)
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	if r.one(20) {
		_ = r.tcp.SetReadBuffer(2048)
	}
	if c := r.x.cred; c != nil {
		if r.one(20) {
			_, _ = nc.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
			return
		}
		secure := tls.Client(nc, &tls.Config{RootCAs: c.Authority, NextProtos: []string{"h2"}, ServerName: "127.0.0.1"})
		if secure.Handshake() != nil {
			return
		}
		nc = secure
	}
	r.talk(nc)
	wait := r.hear()
	r.converse()
	r.leave()
	wait()
}

// converse says frames until the connection is over or enough was said.
func (r *rioter) converse() {
	_, _ = r.out.WriteString(http2.ClientPreface)
	r.settings()
	r.request()
	isWild := r.one(5)
	for n := r.dice.IntN(2000); n > 0 && !r.isOut; n-- {
		switch {
		case isWild && r.one(40):
			r.offend(r.some())
		case r.one(4):
			r.request()
		case r.one(3):
			r.message(r.some())
		case r.one(100):
			_ = r.WriteGoAway(uint32(r.dice.IntN(9)), http2.ErrCode(r.dice.IntN(15)), r.junk(r.dice.IntN(40)))
		default:
			r.gossip(r.some())
		}
		if r.one(30) {
			_ = r.out.Flush()
		}
		if r.one(300) {
			r.linger(20 * time.Millisecond)
		}
	}
}

// request opens a stream.
func (r *rioter) request() {
	id := r.next
	r.next += 2
	if r.open = append(r.open, id); len(r.open) > 20 {
		r.open = r.open[1:]
	}
	paths := []string{
		r.x.path("Unary"), r.x.path("ServerStream"), r.x.path("ClientStream"), r.x.path("BidiStream"),
		r.x.path("BidiStream"), "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/un/known",
	}
	kv := []string{":method", "POST", ":scheme", "http", ":path", paths[r.dice.IntN(len(paths))], ":authority", "a",
		"te", "trailers", "content-type", "application/grpc" + [...]string{"", "", "+proto", "+x"}[r.dice.IntN(4)]}
	if r.one(2) {
		times := [...]string{"1n", "1m", "20m", "300m", "99999999H", "0S", "9u", "bad"}
		kv = append(kv, "grpc-timeout", times[r.dice.IntN(len(times))])
	}
	if r.one(2) {
		kv = append(kv, "grpc-encoding", [...]string{"gzip", "gzip", "identity", "lzma"}[r.dice.IntN(4)])
	}
	if r.one(3) {
		kv = append(kv, "grpc-accept-encoding", [...]string{"gzip", "identity,gzip", ",,,,"}[r.dice.IntN(3)])
	}
	switch r.dice.IntN(12) {
	case 0:
		kv = append(kv, "x-parity-echo-initial", strings.Repeat("v", r.dice.IntN(5000)))
	case 1:
		kv = append(kv, "x-parity-echo-trailing-bin", strings.Repeat("AAAA", r.dice.IntN(500)))
	case 2:
		for i := range r.dice.IntN(200) {
			kv = append(kv, fmt.Sprint("x", i), "")
		}
	case 3:
		kv = append(kv, "content-length", fmt.Sprint(r.dice.IntN(40)))
	case 4:
		kv = append(kv, "x", strings.Repeat("v", r.dice.IntN(20000)))
	case 5:
		kv = append(kv, "k-bin", strings.Repeat(",", r.dice.IntN(200)))
	}
	r.headers(id, r.one(8), kv...)
}
