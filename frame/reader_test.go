package frame

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// get is an indexed ":method: GET", the shortest legal header block.
const get = "\x82"

func TestReaderLegalFrames(t *testing.T) {
	const (
		end    = http2.FlagDataEndStream
		padded = http2.FlagDataPadded
		whole  = http2.FlagHeadersEndHeaders
		prio   = http2.FlagHeadersPriority
	)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"data", rawFrame(0, 0, 1, "hello"), []string{`DATA stream=1 len=5 data="hello"`}},
		{"data, end", rawFrame(0, end, 1, ""), []string{`DATA stream=1 len=0 end`}},
		{"data, padded", rawFrame(0, padded, 1, "\x02hi\x00\x00"), []string{`DATA stream=1 len=5 data="hi"`}},
		{"data, padding of 0", rawFrame(0, padded, 1, "\x00hi"), []string{`DATA stream=1 len=3 data="hi"`}},
		{"data, only padding", rawFrame(0, padded|end, 1, "\x01\x00"), []string{`DATA stream=1 len=2 end`}},
		{"data, undefined flags", rawFrame(0, 0xf6, 1, "x"), []string{`DATA stream=1 len=1 data="x"`}},
		{"data, reserved bit", rawFrame(0, 0, 1<<31|1, "x"), []string{`DATA stream=1 len=1 data="x"`}},

		{"headers", rawFrame(1, whole, 1, get), []string{`HEADERS stream=1 len=1 :method="GET"`}},
		{"headers, padded", rawFrame(1, whole|padded, 1, "\x02"+get+"\x00\x00"),
			[]string{`HEADERS stream=1 len=4 :method="GET"`}},
		{"headers, priority", rawFrame(1, whole|prio|end, 1, "\x00\x00\x00\x03\x10"+get),
			[]string{`HEADERS stream=1 len=6 :method="GET" end`}},
		{"headers, padded, priority", rawFrame(1, whole|prio|padded, 1, "\x01\x80\x00\x00\x03\x10"+get+"\x00"),
			[]string{`HEADERS stream=1 len=8 :method="GET"`}},
		{"headers, depending on itself, block still decoded", rawFrame(1, whole|prio, 3, "\x00\x00\x00\x03\x10"+get),
			[]string{`HEADERS stream=3 len=6 :method="GET"` +
				` err="http2 stream 3 error PROTOCOL_ERROR: HEADERS makes the stream depend on itself"`}},
		{"headers, empty", rawFrame(1, whole, 1, ""), []string{`HEADERS stream=1 len=0`}},
		{"headers, continued", rawFrame(1, end, 1, "") + rawFrame(9, 0, 1, "") + rawFrame(9, whole, 1, get),
			[]string{`HEADERS stream=1 len=0 :method="GET" end`}},
		{"headers, field cut in two", rawFrame(1, 0, 1, "\x40\x01a") + rawFrame(9, whole, 1, "\x01b"),
			[]string{`HEADERS stream=1 len=3 a="b"`}},

		{"priority", rawFrame(2, 0, 1, "\x00\x00\x00\x03\x10"), []string{`PRIORITY stream=1 len=5`}},
		{"rst_stream", rawFrame(3, 0, 1, "\x00\x00\x00\x08"), []string{`RST_STREAM stream=1 len=4 code=CANCEL`}},
		{"rst_stream, unknown code", rawFrame(3, 0, 1, "\xff\x00\x00\x08"),
			[]string{`RST_STREAM stream=1 len=4 code=unknown error code 0xff000008`}},
		{"settings, empty", rawFrame(4, 0, 0, ""), []string{`SETTINGS stream=0 len=0`}},
		{"settings, ack", rawFrame(4, 1, 0, ""), []string{`SETTINGS stream=0 len=0 ack`}},
		{"settings, unknown and repeated",
			rawFrame(4, 0, 0, "\xfe\x03\x00\x00\x00\x01"+"\x00\x05\x00\x00\x40\x00"+"\x00\x05\x00\xff\xff\xff"),
			[]string{`SETTINGS stream=0 len=18 UNKNOWN_SETTING_65027=1 MAX_FRAME_SIZE=16384 MAX_FRAME_SIZE=16777215`}},
		{"ping", rawFrame(6, 0, 0, "12345678"), []string{`PING stream=0 len=8 data=3132333435363738`}},
		{"ping, ack", rawFrame(6, 1, 0, "12345678"), []string{`PING stream=0 len=8 data=3132333435363738 ack`}},
		{"goaway", rawFrame(7, 0, 0, "\x80\x00\x00\x05\x00\x00\x00\x0b"),
			[]string{`GOAWAY stream=0 len=8 last=5 code=ENHANCE_YOUR_CALM debug=""`}},
		{"goaway, debug", rawFrame(7, 0, 0, "\x00\x00\x00\x05\x00\x00\x00\x0btoo_many_pings"),
			[]string{`GOAWAY stream=0 len=22 last=5 code=ENHANCE_YOUR_CALM debug="too_many_pings"`}},
		{"goaway, long debug", rawFrame(7, 0, 0, "\x00\x00\x00\x05\x00\x00\x00\x00"+strings.Repeat("x", 3000)),
			[]string{`GOAWAY stream=0 len=3008 last=5 code=NO_ERROR debug="` + strings.Repeat("x", maxDebug) + `"`}},
		{"window_update, connection", rawFrame(8, 0, 0, "\xff\xff\xff\xff"),
			[]string{`WINDOW_UPDATE stream=0 len=4 increment=2147483647`}},
		{"window_update, stream",
			rawFrame(8, 0, 7, "\x00\x00\x00\x01"), []string{`WINDOW_UPDATE stream=7 len=4 increment=1`}},
		{"priority_update", rawFrame(16, 0, 0, "\x00\x00\x00\x03u=1"), []string{`PRIORITY_UPDATE stream=0 len=7`}},
		{"unknown type", rawFrame(0xee, 0xff, 9, "whatever"), []string{`UNKNOWN_FRAME_TYPE_238 stream=9 len=8`}},
	}
	ping := rawFrame(http2.FramePing, 0, 0, "aaaaaaaa")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trackBuffers(t)
			// The PING shows that the reader stays in step.
			want := append(slices.Clone(test.want), "PING stream=0 len=8 data=6161616161616161")
			checkTranscript(t, test.in+ping, want)
		})
	}
}

// checkTranscript reads in as a whole, one octet at a time, and with a tiny
// buffer: all must give the same.
func checkTranscript(t *testing.T, in string, want []string) {
	t.Helper()
	variants := []struct {
		name string
		r    io.Reader
		cfg  ReaderConfig
	}{
		{"whole", strings.NewReader(in), ReaderConfig{}},
		{"octet by octet", iotest.OneByteReader(strings.NewReader(in)), ReaderConfig{}},
		{"data with error", iotest.DataErrReader(strings.NewReader(in)), ReaderConfig{}},
		{"tiny buffer", strings.NewReader(in), ReaderConfig{ReadBuffer: 1}},
		{"tiny buffer, octet by octet", iotest.OneByteReader(strings.NewReader(in)), ReaderConfig{ReadBuffer: 1}},
		{"patiently", &patient{Reader: strings.NewReader(in)}, ReaderConfig{}},
		{"patiently, octet by octet", &patient{Reader: iotest.OneByteReader(strings.NewReader(in))}, ReaderConfig{}},
		{"patiently, data with error", &patient{Reader: iotest.DataErrReader(strings.NewReader(in))}, ReaderConfig{}},
		{"patiently, tiny buffer", &patient{Reader: strings.NewReader(in)}, ReaderConfig{ReadBuffer: 1}},
	}
	for _, v := range variants {
		if got := transcript(NewReader(v.r, v.cfg)); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", v.name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

func TestReaderIllegalFrames(t *testing.T) {
	const (
		padded = http2.FlagDataPadded
		whole  = http2.FlagHeadersEndHeaders
		prio   = http2.FlagHeadersPriority
	)
	tests := []struct {
		name, in string
		code     ErrCode
		stream   uint32 // of a stream error; 0: connection error
		mention  string
	}{
		{"data on stream 0", rawFrame(0, 0, 0, "x"), ProtocolError, 0, "DATA on stream 0"},
		{"data, no pad length", rawFrame(0, padded, 1, ""), FrameSizeError, 0, "DATA on stream 1"},
		{"data, padding as long as payload",
			rawFrame(0, padded, 1, "\x03abc"[:3]), ProtocolError, 0, "3 octets of padding"},
		{"data, padding longer", rawFrame(0, padded, 1, "\xffabc"), ProtocolError, 0, "255 octets of padding"},
		{"data, too large",
			rawFrame(0, 0, 1, strings.Repeat("x", 16385)), FrameSizeError, 0, "16385 octets, the limit is 16384"},

		{"headers on stream 0", rawFrame(1, whole, 0, get), ProtocolError, 0, "HEADERS on stream 0"},
		{"headers, no pad length", rawFrame(1, whole|padded, 1, ""), FrameSizeError, 0, "too short"},
		{"headers, padding too long",
			rawFrame(1, whole|padded, 1, "\x02"+get), ProtocolError, 0, "2 octets of padding"},
		{"headers, priority cut", rawFrame(1, whole|prio, 1, "\x00\x00\x00\x03"), FrameSizeError, 0, "need 5"},
		{"headers, priority in padding",
			rawFrame(1, whole|prio|padded, 1, "\x02\x00\x00\x00\x03\x10\x00"), FrameSizeError, 0, "need 8"},
		{"headers, block cut", rawFrame(1, whole, 1, "\x40\x01a\x05b"), CompressionError, 0, "truncated"},
		{"headers, bad index", rawFrame(1, whole, 1, "\xbe"), CompressionError, 0, "index 62"},
		{"headers, index 0", rawFrame(1, whole, 1, "\x80"), CompressionError, 0, "index 0"},
		{"headers, table too large", rawFrame(1, whole, 1, "\x3f\xe2\x1f"), CompressionError, 0, "too large"},
		{"headers, bad huffman", rawFrame(1, whole, 1, "\x40\x81\xff\x01b"), CompressionError, 0, "uffman"},
		{"headers, then data",
			rawFrame(1, 0, 1, get) + rawFrame(0, 0, 1, "x"), ProtocolError, 0, "expected CONTINUATION"},
		{"headers, then unknown",
			rawFrame(1, 0, 1, get) + rawFrame(99, 0, 1, "x"), ProtocolError, 0, "expected CONTINUATION"},
		{"headers, continued on another stream",
			rawFrame(1, 0, 1, get) + rawFrame(9, 0, 3, ""), ProtocolError, 0, "stream 3"},
		{"headers, too large",
			rawFrame(1, whole, 1, strings.Repeat(get, 16385)), FrameSizeError, 0, "HEADERS on stream 1"},
		{"continuation alone", rawFrame(9, whole, 1, ""), ProtocolError, 0, "CONTINUATION"},
		{"continuation after end",
			rawFrame(1, whole, 1, get) + rawFrame(9, whole, 1, ""), ProtocolError, 0, "CONTINUATION"},
		{"continuation, too large",
			rawFrame(1, 0, 1, get) + rawFrame(9, 0, 1, strings.Repeat("x", 16385)), FrameSizeError, 0, "CONTINUATION"},

		{"priority on stream 0", rawFrame(2, 0, 0, "\x00\x00\x00\x03\x10"), ProtocolError, 0, "PRIORITY on stream 0"},
		{"priority, short", rawFrame(2, 0, 5, "1234"), FrameSizeError, 5, "4 octets"},
		{"priority, long", rawFrame(2, 0, 5, "123456"), FrameSizeError, 5, "6 octets"},
		{"priority, depending on itself",
			rawFrame(2, 0, 5, "\x80\x00\x00\x05\x10"), ProtocolError, 5, "depend on itself"},

		{"rst_stream on stream 0", rawFrame(3, 0, 0, "\x00\x00\x00\x08"), ProtocolError, 0, "RST_STREAM on stream 0"},
		{"rst_stream, short", rawFrame(3, 0, 1, "\x00\x00\x08"), FrameSizeError, 0, "3 octets instead of 4"},
		{"rst_stream, long", rawFrame(3, 0, 1, "\x00\x00\x00\x00\x08"), FrameSizeError, 0, "5 octets instead of 4"},

		{"settings on a stream", rawFrame(4, 0, 1, ""), ProtocolError, 0, "SETTINGS on stream 1"},
		{"settings, ack with payload", rawFrame(4, 1, 0, "\x00\x05\x00\x00\x40\x00"), FrameSizeError, 0, "6 octets"},
		{"settings, not a multiple of 6", rawFrame(4, 0, 0, "\x00\x05\x00\x00\x40"), FrameSizeError, 0, "5 octets"},
		{"settings, ENABLE_PUSH 2",
			rawFrame(4, 0, 0, "\x00\x02\x00\x00\x00\x02"), ProtocolError, 0, "ENABLE_PUSH is 2"},
		{"settings, ENABLE_CONNECT_PROTOCOL 2",
			rawFrame(4, 0, 0, "\x00\x08\x00\x00\x00\x02"), ProtocolError, 0, "is 2"},
		{"settings, window 2^31", rawFrame(4, 0, 0, "\x00\x04\x80\x00\x00\x00"), FlowControlError, 0, "2147483648"},
		{"settings, frame size low", rawFrame(4, 0, 0, "\x00\x05\x00\x00\x3f\xff"), ProtocolError, 0, "16383"},
		{"settings, frame size high", rawFrame(4, 0, 0, "\x00\x05\x01\x00\x00\x00"), ProtocolError, 0, "16777216"},

		{"push_promise", rawFrame(5, whole, 1, "\x00\x00\x00\x02"+get), ProtocolError, 0, "push is not enabled"},
		{"push_promise on stream 0", rawFrame(5, whole, 0, "\x00\x00\x00\x02"+get), ProtocolError, 0, "stream 0"},

		{"ping on a stream", rawFrame(6, 0, 3, "12345678"), ProtocolError, 0, "PING on stream 3"},
		{"ping, short", rawFrame(6, 0, 0, "1234567"), FrameSizeError, 0, "7 octets instead of 8"},
		{"ping, long", rawFrame(6, 1, 0, "123456789"), FrameSizeError, 0, "9 octets instead of 8"},

		{"goaway on a stream", rawFrame(7, 0, 3, "12345678"), ProtocolError, 0, "GOAWAY on stream 3"},
		{"goaway, short", rawFrame(7, 0, 0, "1234567"), FrameSizeError, 0, "7 octets"},

		{"window_update, short", rawFrame(8, 0, 1, "\x00\x00\x01"), FrameSizeError, 0, "3 octets instead of 4"},
		{"window_update, long",
			rawFrame(8, 0, 0, "\x00\x00\x00\x00\x01"), FrameSizeError, 0, "5 octets instead of 4"},
		{"window_update of 0, connection", rawFrame(8, 0, 0, "\x80\x00\x00\x00"), ProtocolError, 0, "increment of 0"},
		{"window_update of 0, stream", rawFrame(8, 0, 7, "\x00\x00\x00\x00"), ProtocolError, 7, "increment of 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trackBuffers(t)
			for _, wrap := range []func(io.Reader) io.Reader{same, iotest.OneByteReader} {
				r := NewReader(wrap(strings.NewReader(test.in+rawFrame(6, 0, 0, "12345678"))), ReaderConfig{})
				err := firstError(r)
				if !strings.Contains(err.Error(), test.mention) {
					t.Errorf("error %q does not mention %q", err, test.mention)
				}
				if test.stream == 0 {
					checkConnError(t, r, err, test.code)
				} else {
					checkStreamError(t, r, err, test.stream, test.code)
				}
			}
		})
	}
}

func same(r io.Reader) io.Reader { return r }

// firstError reads until Next fails.
func firstError(r *Reader) error {
	for {
		f, err := r.Next()
		if err != nil {
			return err
		}
		f.Data.Free()
	}
}

// checkConnError also checks that reading has ended.
func checkConnError(t *testing.T, r *Reader, err error, code ErrCode) {
	t.Helper()
	var ce *ConnError
	if !errors.As(err, &ce) || ce.Code != code {
		t.Fatalf("got %v, want a connection error %v", err, code)
	}
	if _, again := r.Next(); again != err {
		t.Errorf("after %v, Next returns %v", err, again)
	}
}

// checkStreamError also checks that reading goes on.
func checkStreamError(t *testing.T, r *Reader, err error, id uint32, code ErrCode) {
	t.Helper()
	var se *StreamError
	if !errors.As(err, &se) || se.Code != code || se.StreamID != id {
		t.Fatalf("got %v, want an error %v of stream %d", err, code, id)
	}
	if f, err := r.Next(); err != nil || f.Type != http2.FramePing {
		t.Errorf("after a stream error, Next returns %v, %v", f.Type, err)
	}
}

func TestReaderTruncated(t *testing.T) {
	trackBuffers(t)
	in := rawFrame(0, http2.FlagDataPadded, 1, "\x02hello\x00\x00") +
		rawFrame(1, http2.FlagHeadersEndHeaders, 1, "\x40\x01a\x01b") +
		rawFrame(4, 0, 0, "\x00\x05\x00\x00\x40\x00") +
		rawFrame(7, 0, 0, "12345678debug") +
		rawFrame(77, 0, 0, "unknown")
	ends := map[int]bool{0: true}
	for at := 0; at < len(in); {
		at += headerLen + int(in[at+2])
		ends[at] = true
	}
	for cut := range in {
		r := NewReader(strings.NewReader(in[:cut]), ReaderConfig{})
		want := io.ErrUnexpectedEOF
		if ends[cut] {
			want = io.EOF
		}
		if err := firstError(r); err != want {
			t.Errorf("cut at %d: got %v, want %v", cut, err, want)
		}
	}
}

func TestReaderPassesIOErrors(t *testing.T) {
	trackBuffers(t)
	reset := errors.New("connection reset")
	in := rawFrame(0, 0, 1, strings.Repeat("x", 10000))
	for _, cut := range []int{0, 5, 9, 100, 9000, len(in)} {
		r := NewReader(io.MultiReader(strings.NewReader(in[:cut]), iotest.ErrReader(reset)), ReaderConfig{})
		if err := firstError(r); err != reset {
			t.Errorf("cut at %d: got %v, want %v", cut, err, reset)
		}
	}
}

// After an error that came together with octets nothing more is read.
func TestReaderStopsAtAnError(t *testing.T) {
	trackBuffers(t)
	in := rawFrame(0, 0, 1, strings.Repeat("x", 10000))
	reset := errors.New("connection reset")
	from := &failingReader{data: in[:100], err: reset}
	if err := firstError(NewReader(from, ReaderConfig{})); err != reset {
		t.Errorf("got %v, want %v", err, reset)
	}
	if from.reads != 1 {
		t.Errorf("%d reads, want 1", from.reads)
	}
}

// failingReader gives all of data together with err, and then zeros.
type failingReader struct {
	data  string
	err   error
	reads int
}

func (f *failingReader) Read(p []byte) (int, error) {
	if f.reads++; f.reads > 1 {
		return len(p), nil
	}
	return copy(p, f.data), f.err
}

func TestReaderNoProgress(t *testing.T) {
	r := NewReader(emptyReader{}, ReaderConfig{})
	if _, err := r.Next(); err != io.ErrNoProgress {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestReaderLargeData(t *testing.T) {
	trackBuffers(t)
	payload := strings.Repeat("0123456789abcdef", 1<<16)
	in := rawFrame(0, 0, 1, payload) + rawFrame(6, 0, 0, "12345678")
	for _, wrap := range []func(io.Reader) io.Reader{same, iotest.HalfReader} {
		r := NewReader(wrap(strings.NewReader(in)), ReaderConfig{MaxFrameSize: 1 << 20})
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Data.Bytes()) != payload {
			t.Error("payload differs")
		}
		f.Data.Free()
		if f, err := r.Next(); err != nil || f.Type != http2.FramePing {
			t.Errorf("after the data, got %v, %v", f.Type, err)
		}
	}
}

// Memory for a large frame is taken when a good part of it is there, not at the word of its header.
func TestReaderTrustsNoLength(t *testing.T) {
	trackBuffers(t)
	const size = 1<<24 - 1
	for _, n := range []int{0, 100, trustedPayload - 1, trustedPayload} {
		isPlaced := false
		in := string(appendHeader(nil, size, http2.FrameData, 0, 1)) + strings.Repeat("x", n)
		r := NewReader(strings.NewReader(in), ReaderConfig{MaxFrameSize: size, Place: func(uint32, int) *mem.Buffer {
			isPlaced = true
			return nil
		}})
		if err := firstError(r); err != io.ErrUnexpectedEOF {
			t.Errorf("%d octets: %v", n, err)
		}
		if want := n >= trustedPayload; isPlaced != want {
			t.Errorf("%d octets have come: there is memory for all %d: %v, want %v", n, size, isPlaced, want)
		}
	}
}

func TestReaderSetMaxFrameSize(t *testing.T) {
	trackBuffers(t)
	in := rawFrame(0, 0, 1, strings.Repeat("x", 20000))
	r := NewReader(strings.NewReader(in+in), ReaderConfig{})
	r.SetMaxFrameSize(20000)
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	f.Data.Free()
	r.SetMaxFrameSize(1) // clamped to 16384
	_, err = r.Next()
	checkConnError(t, r, err, FrameSizeError)
}

func TestReaderBuffered(t *testing.T) {
	trackBuffers(t)
	ping := rawFrame(6, 0, 0, "12345678")
	tests := []struct {
		name, rest string
		want       bool
	}{
		{"nothing", "", false},
		{"part of a header", ping[:8], false},
		{"header only", ping[:9], false},
		{"part of a payload", ping[:16], false},
		{"a frame", ping, true},
		{"a frame without payload", rawFrame(4, 1, 0, ""), true},
		{"headers", rawFrame(1, http2.FlagHeadersEndHeaders, 1, get), true},
		{"headers to be continued", rawFrame(1, 0, 1, get), false},
	}
	for _, test := range tests {
		r := NewReader(strings.NewReader(ping+test.rest), ReaderConfig{})
		if r.Buffered() {
			t.Errorf("%s: a frame is buffered before the first read", test.name)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if got := r.Buffered(); got != test.want {
			t.Errorf("%s: Buffered() = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestReaderRelease(t *testing.T) {
	ping := rawFrame(6, 0, 0, "12345678")
	r := NewReader(strings.NewReader(ping+ping), ReaderConfig{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Release()
	if _, err := r.Next(); err == nil || r.Buffered() {
		t.Error("Next succeeds after Release")
	}
	if r.src.scratch != nil {
		t.Error("the buffer is still held")
	}
	r.Release()
}

// Frames are read from what a connection delivers without waiting for more.
func TestReaderDoesNotReadAhead(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	frames := []string{rawFrame(4, 0, 0, ""), rawFrame(1, 4, 1, get), rawFrame(0, 1, 1, "x")}
	r := NewReader(server, ReaderConfig{})
	for _, in := range frames {
		go client.Write([]byte(in))
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		f.Data.Free()
	}
	if !bytes.Equal(r.src.window(), nil) {
		t.Errorf("%d octets left over", r.src.buffered())
	}
}

// OnBlock is told of the blocks whose rest must be waited for, and of no others.
func TestReaderOnBlock(t *testing.T) {
	whole := rawFrame(1, http2.FlagHeadersEndHeaders, 1, get)
	continued := rawFrame(1, 0, 3, get) + rawFrame(9, http2.FlagHeadersEndHeaders, 3, get)
	tests := []struct {
		name string
		in   io.Reader
		want []bool
	}{
		{"at once", strings.NewReader(whole), nil},
		{"octet by octet", iotest.OneByteReader(strings.NewReader(whole)), []bool{false, true}},
		{"continued", strings.NewReader(continued), []bool{false, true}},
		{"cut", strings.NewReader(whole[:len(whole)-1]), []bool{false}},
		{"not continued", strings.NewReader(rawFrame(1, 0, 1, get)), []bool{false}},
		{"other frames", iotest.OneByteReader(strings.NewReader(rawFrame(0, 0, 1, "x"))), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []bool
			r := NewReader(test.in, ReaderConfig{OnBlock: func(isComplete bool) { got = append(got, isComplete) }})
			firstError(r)
			if !slices.Equal(got, test.want) {
				t.Errorf("OnBlock was called with %v, want %v", got, test.want)
			}
		})
	}
}

// checkText checks that err's text holds want, or that it is nil if want is "".
func checkText(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("error %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one that says %q", err, want)
	}
}
