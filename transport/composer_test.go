package transport

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// composer makes legal and illegal frames of the octets of a fuzz input.
type composer struct {
	bytes.Buffer
	framer *http2.Framer
	block  bytes.Buffer
	last   uint32          // the highest identifier
	used   []uint32        // streams
	ended  map[uint32]bool // streams that the client has ended
	broken map[uint32]bool // streams that may have been reset
}

// compose turns an input into a program; three octets are a frame or two.
func compose(input []byte) *composer {
	c := &composer{ended: make(map[uint32]bool), broken: make(map[uint32]bool)}
	c.framer = http2.NewFramer(c, nil)
	c.framer.AllowIllegalWrites = true
	for op := range slices.Chunk(input[:min(len(input)/3, 40)*3], 3) {
		c.step(op[0], op[1], op[2])
	}
	return c
}

// stream picks an identifier: mostly one in use, sometimes idle, even or 0.
func (c *composer) stream(a byte) uint32 {
	switch n := len(c.used); {
	case a%8 == 7:
		return 0
	case a%8 == 6:
		return 2
	case a%8 == 5 || n == 0:
		return 1001
	default:
		return c.used[int(a)%n]
	}
}

// fresh is the next identifier, or the one after it.
func (c *composer) fresh(a byte) uint32 {
	if c.last++; c.last%2 == 0 {
		c.last++
	}
	c.last += uint32(a%3) / 2 * 2
	return c.last
}

func (c *composer) fields(kv ...string) []byte {
	c.block.Reset()
	enc := hpack.NewEncoder(&c.block)
	enc.SetMaxDynamicTableSizeLimit(0)
	for i := 0; i < len(kv); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1], Sensitive: true})
	}
	return bytes.Clone(c.block.Bytes())
}

func (c *composer) headers(id uint32, end bool, kv ...string) {
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: c.fields(kv...),
	})
}

var fieldsOfRequest = []string{":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a", "te", "trailers"}

// spoilt are requests with something wrong or odd about them.
var spoilt = [][]string{
	{":method", "POST", ":scheme", "http"},
	{":method", "POST", ":path", "/"},
	{":scheme", "http", ":path", "/"},
	{":method", "POST", ":scheme", "http", ":path", "/", ":path", "/"},
	{":method", "POST", ":scheme", "http", "a", "b", ":path", "/"},
	{":method", "POST", ":scheme", "http", ":path", "/", ":status", "200"},
	{":method", "POST", ":scheme", "http", ":path", "/", ":other", "x"},
	{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a", "Upper", "x"},
	{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a", "x", "a\nb"},
	{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a", "", "x"},
	{},
}

var (
	increments = []uint32{1, 1000, 0, 1<<31 - 1}
	parameters = []http2.Setting{
		{ID: http2.SettingHeaderTableSize, Val: 0}, {ID: http2.SettingEnablePush, Val: 0}, {ID: http2.SettingEnablePush, Val: 2},
		{ID: http2.SettingMaxConcurrentStreams, Val: 0}, {ID: http2.SettingInitialWindowSize, Val: 0},
		{ID: http2.SettingInitialWindowSize, Val: 1 << 30}, {ID: http2.SettingInitialWindowSize, Val: 1 << 31},
		{ID: http2.SettingMaxFrameSize, Val: 1 << 14}, {ID: http2.SettingMaxFrameSize, Val: 1}, {ID: 0xfff0, Val: 9},
	}
)

// isDisputed reports whether a frame is in the list of differences.
func (c *composer) isDisputed(kind, a, b byte) bool {
	switch kind {
	case 2:
		return c.broken[c.stream(a)] || c.isIdle(c.stream(a))
	case 5:
		return c.isIdle(c.stream(a)) && c.last > 0
	case 6:
		id := c.stream(a)
		return increments[int(b)%len(increments)] == 0 && id != 0 && !slices.Contains(c.used, id)
	case 9:
		id := c.stream(a)
		return id == c.stream(b) && id != 0 && !slices.Contains(c.used, id)
	case 10:
		id := c.stream(a / 10)
		switch http2.FrameType(a % 10) {
		case http2.FrameHeaders:
			return c.broken[id] || id != 0 && !slices.Contains(c.used, id)
		case http2.FrameContinuation:
			return b%11 > 0 // its payload is malformed fields
		case http2.FrameWindowUpdate:
			return b%11 == 4 && id != 0 && !slices.Contains(c.used, id)
		case http2.FrameGoAway:
			return b%11 >= 8 && id == 0
		case http2.FramePriority:
			return b%11 != 5
		case http2.FrameRSTStream:
			return b%11 == 4 && c.isIdle(id) && c.last > 0
		}
	}
	return false
}

// follow keeps rough account of the streams: one that may have been reset counts as reset.
func (c *composer) follow(kind, a, b byte) {
	id := c.stream(a)
	switch kind {
	case 3, 4:
		c.broken[id] = c.broken[id] || c.ended[id]
		c.ended[id] = c.ended[id] || b&1 == 1
	case 6:
		c.broken[id] = c.broken[id] || int(b)%len(increments) > 1
	case 2, 5, 9:
		c.broken[id] = true
	case 10:
		c.broken[c.stream(a/10)] = true
	}
}

// isIdle reports whether a client has not used the identifier yet.
func (c *composer) isIdle(id uint32) bool {
	return id%2 == 1 && id > c.last
}

// step writes one frame, unless its answer is disputed (see differences).
func (c *composer) step(kind, a, b byte) {
	f := c.framer
	if c.isDisputed(kind%13, a, b) {
		return
	}
	defer c.follow(kind%13, a, b)
	end := b&1 == 1
	switch kind % 13 {
	case 0, 1:
		id := c.fresh(a)
		c.used, c.ended[id] = append(c.used, id), end
		c.headers(id, end, fieldsOfRequest...)
	case 2:
		c.headers(c.stream(a), end, "x", "y")
	case 3:
		_ = f.WriteData(c.stream(a), end, make([]byte, b/2))
	case 4:
		_ = f.WriteDataPadded(c.stream(a), end, make([]byte, b/8), make([]byte, b/2))
	case 5:
		_ = f.WriteRSTStream(c.stream(a), http2.ErrCode(b))
	case 6:
		_ = f.WriteWindowUpdate(c.stream(a), increments[int(b)%len(increments)])
	case 7:
		_ = f.WriteSettings(parameters[int(b)%len(parameters)])
	case 8:
		_ = f.WritePing(end, [8]byte{a, b})
	case 9:
		_ = f.WritePriority(c.stream(a), http2.PriorityParam{StreamDep: c.stream(b)})
	case 10:
		_ = f.WriteRawFrame(http2.FrameType(a%10), http2.Flags(b), c.stream(a/10), make([]byte, b%11))
	case 11:
		c.headers(c.fresh(0), end, spoilt[int(a)%len(spoilt)]...) // x/net forgets such a stream: none follows on it
	case 12:
		block := c.fields(fieldsOfRequest...)
		id := c.fresh(0)
		c.used, c.ended[id] = append(c.used, id), end
		cut := int(a) % len(block)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: end, BlockFragment: block[:cut]})
		_ = f.WriteContinuation(id+uint32(b%8)/7*2, b%16 != 2, block[cut:])
	}
}

// String lists the frames of the program.
func (c *composer) String() string {
	var s bytes.Buffer
	f := http2.NewFramer(nil, bytes.NewReader(c.Bytes()))
	f.SetMaxReadFrameSize(1 << 20)
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			fmt.Fprintln(&s, err)
			return s.String()
		}
		fmt.Fprintln(&s, fr)
	}
}
