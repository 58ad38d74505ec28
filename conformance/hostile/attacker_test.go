package hostile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attacker is the client's end of one connection, without any manners.
type attacker struct {
	*http2.Framer // writes; what it says of a connection that is gone is not looked at
	t             *testing.T
	nc            *net.TCPConn
	out           *bufio.Writer
	isGone        func() bool // the server has hung up
	block         bytes.Buffer
	enc           *hpack.Encoder
	got           transcript
	reading       sync.WaitGroup
	peak          int64 // of the heap in the middle of the attack, octets, garbage included
}

// attack connects. Nothing has been said yet.
func (x *site) attack() *attacker {
	x.t.Helper()
	nc, err := net.Dial("tcp", x.address)
	if err != nil {
		x.t.Fatal(err)
	}
	w := &hangUp{w: nc}
	a := &attacker{t: x.t, nc: nc.(*net.TCPConn), out: bufio.NewWriter(w), isGone: func() bool { return w.gone }}
	a.got.init()
	a.Framer = http2.NewFramer(a.out, nil)
	a.AllowIllegalWrites = true
	a.enc = hpack.NewEncoder(&a.block)
	a.goOn()
	return a
}

// goOn gives the connection patience from now on: a long attack gets more whenever the server answers.
func (a *attacker) goOn() { _ = a.nc.SetDeadline(time.Now().Add(patience)) }

// hangUp is a writer that remembers that it fails.
type hangUp struct {
	w    io.Writer
	gone bool
}

func (h *hangUp) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	h.gone = h.gone || err != nil
	return n, err
}

// greet sends preface and SETTINGS.
func (a *attacker) greet(settings ...http2.Setting) {
	a.raw(http2.ClientPreface)
	_ = a.WriteSettings(settings...)
	_ = a.WriteSettingsAck()
	a.flush()
}

func (a *attacker) raw(s string) { _, _ = a.out.WriteString(s) }

func (a *attacker) flush() { _ = a.out.Flush() }

// read begins to read what the server says.
func (a *attacker) read() { a.reading.Go(func() { a.got.read(a.nc) }) }

// close ends the connection from this side.
func (a *attacker) close() {
	_ = a.nc.Close()
	a.reading.Wait()
}

// fields encodes a header block.
func (a *attacker) fields(kv ...string) []byte {
	a.block.Reset()
	for i := 0; i < len(kv); i += 2 {
		_ = a.enc.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	return a.block.Bytes()
}

func (a *attacker) headers(id uint32, end bool, kv ...string) {
	_ = a.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: a.fields(kv...),
	})
}

// request opens a stream as a good client would.
func (a *attacker) request(id uint32, end bool, path string, more ...string) {
	a.headers(id, end, append([]string{
		":method", "POST", ":scheme", "http", ":path", path, ":authority", "a", "te", "trailers",
		"content-type", "application/grpc+bytes",
	}, more...)...)
}

// message is one gRPC message in one DATA frame.
func (a *attacker) message(id uint32, end bool, payload string) {
	_ = a.WriteData(id, end, prefixed(0, payload))
}

// prefixed is a message with its prefix.
func prefixed(flag byte, payload string) []byte {
	n := len(payload)
	return append([]byte{flag, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
}

// streams calls write with n client stream identifiers, until the server has
// hung up or said goodbye. It returns how many were used.
func (a *attacker) streams(n int, write func(id uint32)) int {
	return a.times(n, func(i int) { write(uint32(2*i + 1)) })
}

// times is streams without identifiers.
func (a *attacker) times(n int, write func(i int)) int {
	for i := range n {
		if a.isGone() || a.got.isOver() {
			return i
		}
		write(i)
		if i%1024 == 1023 {
			a.sample()
		}
	}
	a.sample()
	a.flush()
	return n
}

// sample looks at the heap without collecting it first.
func (a *attacker) sample() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	a.peak = max(a.peak, int64(m.HeapAlloc))
}

// transcript is what the server has said.
type transcript struct {
	mu   sync.Mutex
	told *sync.Cond
	// guarded by mu
	frames map[string]int // by type, and code where there is one
	blocks map[uint32]map[string]string
	resets map[uint32]http2.ErrCode
	data   int // octets
	pongs  int
	goAway *http2.GoAwayFrame
	debug  string
	end    error // of reading
}

func (r *transcript) init() {
	r.told = sync.NewCond(&r.mu)
	r.frames = make(map[string]int)
	r.blocks = make(map[uint32]map[string]string)
	r.resets = make(map[uint32]http2.ErrCode)
}

func (r *transcript) read(nc io.Reader) {
	f := http2.NewFramer(nil, bufio.NewReader(nc))
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		fr, err := f.ReadFrame()
		r.mu.Lock()
		if err != nil {
			r.end = err
			r.told.Broadcast()
			r.mu.Unlock()
			return
		}
		r.note(fr)
		r.told.Broadcast()
		r.mu.Unlock()
	}
}

func (r *transcript) note(fr http2.Frame) {
	name := fr.Header().Type.String()
	switch f := fr.(type) {
	case *http2.RSTStreamFrame:
		name += " " + f.ErrCode.String()
		r.resets[f.StreamID] = f.ErrCode
	case *http2.GoAwayFrame:
		name += " " + f.ErrCode.String()
		r.goAway, r.debug = f, string(f.DebugData())
	case *http2.PingFrame:
		if f.IsAck() {
			r.pongs++
		}
	case *http2.DataFrame:
		r.data += len(f.Data())
	case *http2.MetaHeadersFrame:
		m := r.blocks[f.StreamID]
		if m == nil {
			m = make(map[string]string)
			r.blocks[f.StreamID] = m
		}
		for _, kv := range f.Fields {
			m[kv.Name] = kv.Value
		}
	}
	r.frames[name]++
}

// until waits for what ok looks for, or the end of the connection.
func (r *transcript) until(ok func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !ok() && r.end == nil {
		r.told.Wait()
	}
	return ok()
}

// isOver reports a goodbye or the end of the connection.
func (r *transcript) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.goAway != nil || r.end != nil
}

// forget drops what was said of streams.
func (r *transcript) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.blocks)
	clear(r.resets)
}

func (r *transcript) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("received %v, GOAWAY %q, then %v", r.frames, r.debug, r.end)
}
