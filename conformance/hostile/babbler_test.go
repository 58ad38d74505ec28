package hostile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	pb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// babbler is one end of a connection that has no aim: what it says is its dice's.
type babbler struct {
	*http2.Framer // writes
	dice          *rand.Rand
	nc            net.Conn // perhaps with TLS
	tcp           *net.TCPConn
	out           *bufio.Writer
	isOut         bool // the other end has hung up
	block         bytes.Buffer
	enc           *hpack.Encoder
	open          []uint32 // streams that it has not ended, the latest
	total         uint64   // octets of window that it has given to the connection
}

// talk begins on nc. Nothing has been said yet.
func (b *babbler) talk(nc net.Conn) {
	b.nc = nc
	b.out = bufio.NewWriterSize(b, 1<<b.dice.IntN(17))
	b.Framer = http2.NewFramer(b.out, nil)
	b.AllowIllegalWrites = true
	b.enc = hpack.NewEncoder(&b.block)
}

// one reports true once in n times.
func (b *babbler) one(n int) bool { return b.dice.IntN(n) == 0 }

// Write remembers when it fails.
func (b *babbler) Write(p []byte) (int, error) {
	n, err := b.nc.Write(p)
	b.isOut = b.isOut || err != nil
	return n, err
}

// linger lets a moment pass, as somebody who is slow or hangs.
func (b *babbler) linger(most time.Duration) { <-time.After(rand.N(most)) }

// hear takes what the other end says, all of it, slowly, or nothing. It returns what waits for
// the end of that.
func (b *babbler) hear() (wait func()) {
	over := make(chan struct{})
	switch b.dice.IntN(4) {
	case 0:
		close(over)
	case 1:
		go func() {
			defer close(over)
			for p := make([]byte, 700); ; b.linger(2 * time.Millisecond) {
				if _, err := b.nc.Read(p); err != nil {
					return
				}
			}
		}()
	default:
		go func() {
			defer close(over)
			_, _ = io.Copy(io.Discard, b.nc)
		}()
	}
	return func() { <-over }
}

// leave ends the connection in one of several ways, perhaps within a frame.
func (b *babbler) leave() {
	if b.one(3) {
		part := []byte{0, 0x20, 0, byte(b.dice.IntN(10)), byte(b.dice.IntN(64)), 0, 0, 0, 1, 7}
		_, _ = b.out.Write(part[:1+b.dice.IntN(len(part))])
	}
	_ = b.out.Flush()
	switch b.dice.IntN(3) {
	case 0:
		_ = b.tcp.CloseWrite()
		b.linger(50 * time.Millisecond)
	case 1:
		_ = b.tcp.SetLinger(0)
	}
	_ = b.tcp.Close()
}

// gossip says what either end may say of a stream, or of none.
func (b *babbler) gossip(id uint32) {
	switch b.dice.IntN(20) {
	case 0, 1, 2:
		b.message(id)
	case 3:
		_ = b.WriteData(id, true, nil)
		b.done(id)
	case 4:
		b.data(id, b.junk(b.dice.IntN(64)))
	case 5, 6:
		_ = b.WriteRSTStream(id, http2.ErrCode(b.dice.IntN(15)))
		b.done(id)
	case 7, 8:
		_ = b.WriteWindowUpdate(id, b.increment())
	case 9, 10:
		if n := b.increment(); b.total+uint64(n) < 1<<31-1-65535 || b.one(50) {
			b.total += uint64(n)
			_ = b.WriteWindowUpdate(0, n)
		}
	case 11:
		b.settings()
	case 12:
		_ = b.WritePing(b.one(2), [8]byte{byte(b.dice.Uint32())})
	case 13:
		_ = b.WritePriority(id, http2.PriorityParam{StreamDep: id + 1 + uint32(b.dice.IntN(3)), Weight: 3})
	case 14:
		kind := http2.FrameType(0x10 | b.dice.IntN(256))
		_ = b.WriteRawFrame(kind, http2.Flags(b.dice.IntN(256)), id, b.junk(b.dice.IntN(50)))
	case 15:
		b.trailers(id)
	case 16:
		_ = b.WriteSettingsAck()
	default:
		_ = b.WriteDataPadded(id, false, b.junk(b.dice.IntN(5)), make([]byte, b.dice.IntN(256)))
	}
}

// offend says what ends the connection, or ought to.
func (b *babbler) offend(id uint32) {
	switch b.dice.IntN(7) {
	case 0:
		kind := http2.FrameType(b.dice.IntN(10))
		_ = b.WriteRawFrame(kind, http2.Flags(b.dice.IntN(256)), uint32(b.dice.IntN(20)), b.junk(b.dice.IntN(40)))
	case 1:
		_ = b.WriteData(id, false, make([]byte, 16384))
	case 2:
		_, _ = b.out.Write(b.junk(1 + b.dice.IntN(30)))
	case 3:
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.junk(10), EndHeaders: b.one(2)})
	case 4:
		_ = b.WriteWindowUpdate(id, 0)
	case 5:
		_ = b.WriteRawFrame(http2.FrameRSTStream, 0, id, b.junk(3))
	case 6:
		_ = b.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: b.dice.Uint32()})
	}
}

// done forgets a stream, as a rule.
func (b *babbler) done(id uint32) {
	if !b.one(50) {
		b.open = slices.DeleteFunc(b.open, func(at uint32) bool { return at == id })
	}
}

// some is one of the latest streams, or one that never was.
func (b *babbler) some() uint32 {
	if len(b.open) == 0 {
		return 1
	}
	return b.open[b.dice.IntN(len(b.open))]
}

func (b *babbler) increment() uint32 {
	return [...]uint32{1, 5, 100, 16384, 65535, 1 << 20, 1<<31 - 1}[min(b.dice.IntN(60), b.dice.IntN(7))%7]
}

func (b *babbler) junk(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(b.dice.Uint32())
	}
	return p
}

func (b *babbler) settings() {
	var all []http2.Setting
	for range b.dice.IntN(4) {
		s := http2.Setting{ID: http2.SettingID(1 + b.dice.IntN(10)), Val: b.dice.Uint32() >> (1 + b.dice.IntN(31))}
		switch s.ID {
		case http2.SettingEnablePush, http2.SettingEnableConnectProtocol:
			s.Val &= 1
		case http2.SettingMaxFrameSize:
			s.Val = 16384 + s.Val%(1<<20)
		case http2.SettingInitialWindowSize:
			s.Val = [...]uint32{0, 1, 100, 65535, 1 << 20}[b.dice.IntN(5)]
		}
		all = append(all, s)
	}
	_ = b.WriteSettings(all...)
}

func (b *babbler) headers(id uint32, end bool, kv ...string) {
	b.block.Reset()
	if b.one(20) {
		b.enc.SetMaxDynamicTableSize(uint32(b.dice.IntN(4097)))
	}
	for i := 0; i < len(kv); i += 2 {
		_ = b.enc.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1], Sensitive: b.one(5)})
	}
	p := b.block.Bytes()
	n := len(p)
	if n > 16000 || b.one(10) {
		n = b.dice.IntN(min(n, 16000))
	}
	h := http2.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: n == len(p), BlockFragment: p[:n]}
	if b.one(10) {
		h.PadLength = uint8(b.dice.IntN(256))
	}
	if b.one(20) {
		h.Priority = http2.PriorityParam{StreamDep: uint32(b.dice.IntN(9)), Weight: 1}
	}
	_ = b.WriteHeaders(h)
	for p = p[n:]; len(p) > 0; p = p[n:] {
		n = min(1+b.dice.IntN(16000), len(p))
		_ = b.WriteContinuation(id, n == len(p), p[:n])
	}
	if end {
		b.done(id)
	}
}

func (b *babbler) trailers(id uint32) {
	b.headers(id, !b.one(5), "x-trailer", "y", "grpc-status", [...]string{"0", "0", "14", "99", "x"}[b.dice.IntN(5)])
}

// message says a message, or part of one, or more than one.
func (b *babbler) message(id uint32) {
	var p []byte
	for range 1 + b.dice.IntN(2) {
		p = append(p, b.single()...)
	}
	if b.one(6) {
		p = p[:b.dice.IntN(len(p))]
	}
	b.data(id, p)
}

// single is one message with its prefix.
func (b *babbler) single() []byte {
	wish := fmt.Sprintf(`{"Sizes":[%d,%d]}`, b.dice.IntN(1<<b.dice.IntN(20)), b.dice.IntN(100))
	body := marshal(&parity.Message{Value: []byte(wish)})
	switch b.dice.IntN(12) {
	case 0:
		body = b.junk(b.dice.IntN(100))
	case 1:
		body = nil
	case 2:
		body = make([]byte, b.dice.IntN(100_000))
	case 3:
		body = marshal(&pb.ServerReflectionRequest{MessageRequest: &pb.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: [...]string{"grpc.health.v1.Health", "google.protobuf.Any", "no.thing"}[b.dice.IntN(3)],
		}})
	case 4:
		return prefixed(1, string(riotBomb))
	case 5:
		return prefixed(1, string(body))
	case 6:
		return prefixed(byte(b.dice.IntN(3)), string(body))
	case 7:
		return []byte{0, byte(b.dice.IntN(2)), byte(b.dice.IntN(256)), 1, 1}
	}
	return prefixed(0, string(body))
}

// riotBomb is eight MiB of zeros.
var riotBomb = squeeze(8 << 20)

// data says p in frames of any length.
func (b *babbler) data(id uint32, p []byte) {
	for {
		n := min(len(p), 1+b.dice.IntN(1<<b.dice.IntN(15)))
		isEnd := n == len(p) && b.one(3)
		if _ = b.WriteData(id, isEnd, p[:n]); isEnd {
			b.done(id)
		}
		if p = p[n:]; len(p) == 0 {
			return
		}
		if b.one(50) {
			_ = b.out.Flush()
		}
	}
}
