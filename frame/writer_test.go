package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// mustFlush flushes w and returns what it wrote.
func mustFlush(t testing.TB, w *Writer) []byte {
	t.Helper()
	var out bytes.Buffer
	n := w.Len()
	if err := w.Flush(&out); err != nil {
		t.Fatal(err)
	}
	if out.Len() != n {
		t.Errorf("Len was %d, Flush wrote %d octets", n, out.Len())
	}
	if w.Len() != 0 {
		t.Errorf("after Flush, Len is %d", w.Len())
	}
	return out.Bytes()
}

func TestWriterToReader(t *testing.T) {
	trackBuffers(t)
	w := NewWriter()
	w.Settings()
	w.Headers(1, []Field{{Name: ":method", Value: "POST"}, {Name: "k", Value: "v"}}, false)
	w.Data(1, []byte("abcde"), []byte("fgh"), nil, false)
	w.Data(1, nil, nil, nil, true)
	w.Headers(3, []Field{{Name: ":method", Value: "POST"}, {Name: "k", Value: "v"}}, true)
	w.GoAway(7, EnhanceYourCalm, strings.Repeat("x", 2000))
	want := []string{
		`SETTINGS stream=0 len=0`,
		`HEADERS stream=1 len=6 :method="POST" k="v"`,
		`DATA stream=1 len=8 data="abcdefgh"`,
		`DATA stream=1 len=0 end`,
		`HEADERS stream=3 len=2 :method="POST" k="v" end`,
		`GOAWAY stream=0 len=1032 last=7 code=ENHANCE_YOUR_CALM debug="` + strings.Repeat("x", 1024) + `"`,
	}
	checkTranscript(t, string(mustFlush(t, w)), want)
}

func TestWriterPreface(t *testing.T) {
	w := NewWriter()
	w.Preface()
	w.Settings()
	r := NewReader(bytes.NewReader(mustFlush(t, w)), ReaderConfig{})
	if err := r.ReadPreface(); err != nil {
		t.Fatal(err)
	}
	if got := transcript(r); !slices.Equal(got, []string{"SETTINGS stream=0 len=0"}) {
		t.Errorf("after the preface: %q", got)
	}
}

// The golden writers again, read by x/net's own framer and HPACK decoder.
func TestWriterIsUnderstoodByFramer(t *testing.T) {
	for name, write := range goldenWriters {
		t.Run(name, func(t *testing.T) {
			trackBuffers(t)
			w := NewWriter()
			write(w)
			framer := http2.NewFramer(nil, bytes.NewReader(mustFlush(t, w)))
			framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			want := readGolden(t, filepath.Join("testdata/frames", name+".txt")).want
			for i := 0; ; i++ {
				f, err := framer.ReadFrame()
				if err == io.EOF {
					if i != len(want) {
						t.Errorf("%d frames, want %d", i, len(want))
					}
					return
				}
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				h := f.Header()
				head := fmt.Sprintf("%v stream=%d len=%d", h.Type, h.StreamID, h.Length)
				if !strings.HasPrefix(want[i], head) {
					t.Errorf("frame %d is %s, want %s", i, head, want[i])
				}
				if m, ok := f.(*http2.MetaHeadersFrame); ok {
					checkFieldsIn(t, m.Fields, want[i])
				}
			}
		})
	}
}

func checkFieldsIn(t *testing.T, fields []Field, want string) {
	t.Helper()
	for _, f := range fields {
		if text := fmt.Sprintf(" %s=%q", f.Name, f.Value); !strings.Contains(want, text) {
			t.Errorf("field%s, want %s", text, want)
		}
	}
}

func TestWriterSplitsBlocks(t *testing.T) {
	value := strings.Repeat("~", 50000) // not shorter in Huffman coding
	fields := []Field{{Name: ":method", Value: "POST"}, {Name: "big", Value: value}}
	for _, limit := range []uint32{0, 16384, 20000, 1 << 20} {
		w := NewWriter()
		w.SetMaxFrameSize(limit)
		w.Headers(1, fields, true)
		w.Headers(3, fields[:1], false)
		wire := mustFlush(t, w)

		r := NewReader(bytes.NewReader(wire), ReaderConfig{MaxHeaderList: 1 << 20, MaxFrameSize: limit})
		f, err := r.Next()
		if err != nil || !f.End || f.Headers.Value("big") != value {
			t.Fatalf("limit %d: got end %v, %d fields, %v", limit, f.End, len(f.Headers.Fields), err)
		}
		frames := (f.Length + r.maxFrame - 1) / r.maxFrame
		if frames != 1 || f.Length > r.maxFrame {
			t.Errorf("limit %d: first frame has %d octets", limit, f.Length)
		}
		if f, err = r.Next(); err != nil || f.StreamID != 3 || f.End {
			t.Errorf("limit %d: then %+v, %v", limit, f, err)
		}
	}
}

func TestWriterBlockOfExactlyOneFrame(t *testing.T) {
	for size := minMaxFrameSize - 1; size <= minMaxFrameSize+1; size++ {
		w := NewWriter()
		// 0x10, name and its length, value's length in three octets, value.
		w.Headers(1, []Field{{Name: "a", Value: strings.Repeat("~", size-6), Sensitive: true}}, false)
		wire := mustFlush(t, w)
		want := headerLen + size
		if size > minMaxFrameSize {
			want += headerLen
		}
		if len(wire) != want {
			t.Errorf("block of %d octets takes %d on the wire, want %d", size, len(wire), want)
		}
		if got := transcript(NewReader(bytes.NewReader(wire), ReaderConfig{MaxHeaderList: 1 << 20})); len(got) != 1 {
			t.Errorf("block of %d octets gives %q", size, got)
		}
	}
}

// countingWriter counts its calls.
type countingWriter struct {
	bytes.Buffer
	calls int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(p)
}

// chainedFrames collects frames of all kinds, large payloads among them, and
// returns what they must look like.
func chainedFrames(w *Writer) (wire string) {
	var out strings.Builder
	for i, size := range []int{0, 1, chainAt - 1, chainAt, chainAt + 1, 10, 16379} {
		payload := bytes.Repeat([]byte{byte('a' + i)}, size)
		owner := mem.Copy(payload)
		w.Data(uint32(i+1), []byte("12345"), owner.Bytes(), owner, false)
		owner.Free()
		w.RSTStream(uint32(i+1), Cancel)
		out.WriteString(rawFrame(0, 0, uint32(i+1), "12345"+string(payload)))
		out.WriteString(rawFrame(3, 0, uint32(i+1), "\x00\x00\x00\x08"))
	}
	return out.String()
}

func TestWriterChainCoalesced(t *testing.T) {
	trackBuffers(t)
	w := NewWriter()
	for range 3 {
		want := chainedFrames(w)
		if w.Len() != len(want) {
			t.Errorf("Len is %d, want %d", w.Len(), len(want))
		}
		var got countingWriter
		if err := w.Flush(&got); err != nil {
			t.Fatal(err)
		}
		if got.calls != 1 || got.String() != want {
			t.Errorf("%d writes; equal: %v", got.calls, got.String() == want)
		}
	}
}

func TestWriterChainVectored(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			trackBuffers(t)
			client, server := connPair(t, network)
			sent := make(chan string, 1)
			go func() {
				w := NewWriter()
				all := ""
				for range 3 {
					all += chainedFrames(w)
					if err := w.Flush(client); err != nil {
						t.Error(err)
					}
				}
				client.Close()
				sent <- all
			}()
			got, err := io.ReadAll(server)
			if want := <-sent; err != nil || string(got) != want {
				t.Errorf("got %d octets of %d, %v", len(got), len(want), err)
			}
		})
	}
}

// connPair returns the ends of a loopback connection.
func connPair(t testing.TB, network string) (client, server net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

func TestWriterFlushOfNothing(t *testing.T) {
	if err := NewWriter().Flush(failingWriter{}); err != nil {
		t.Errorf("flushing nothing: %v", err)
	}
}

type failingWriter struct{ n int }

var errFailing = errors.New("broken pipe")

func (w failingWriter) Write(p []byte) (int, error) {
	if w.n > 0 {
		return min(w.n, len(p)), nil
	}
	return 0, errFailing
}

func TestWriterFlushFails(t *testing.T) {
	trackBuffers(t)
	w := NewWriter()
	chainedFrames(w)
	if err := w.Flush(failingWriter{}); err != errFailing {
		t.Errorf("got %v, want %v", err, errFailing)
	}
	chainedFrames(w)
	if err := w.Flush(failingWriter{n: 10}); err != io.ErrShortWrite {
		t.Errorf("got %v, want %v", err, io.ErrShortWrite)
	}
	client, _ := connPair(t, "tcp")
	client.Close()
	chainedFrames(w)
	if err := w.Flush(client); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
	if w.Len() != 0 {
		t.Errorf("Len is %d", w.Len())
	}
}

func TestWriterRelease(t *testing.T) {
	trackBuffers(t)
	w := NewWriter()
	w.Release()
	chainedFrames(w)
	w.Release()
	if w.Len() != 0 || w.buf != nil {
		t.Errorf("after Release, %d octets in a buffer of %d", w.Len(), cap(w.buf))
	}
	w.Ping([8]byte{})
	if got := mustFlush(t, w); len(got) != headerLen+8 {
		t.Errorf("after Release, a PING takes %d octets", len(got))
	}
}

func TestWriterDropsLargeBuffers(t *testing.T) {
	w := NewWriter()
	payload := make([]byte, minMaxFrameSize)
	for range 64 {
		w.Data(1, nil, payload, nil, false)
	}
	mustFlush(t, w)
	if cap(w.buf) > maxKept {
		t.Errorf("a buffer of %d octets kept", cap(w.buf))
	}
	w.Data(1, nil, payload, nil, false)
	mustFlush(t, w)
}

func TestWriterRefusesLargeData(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewWriter().Data(1, make([]byte, 5), make([]byte, minMaxFrameSize-4), nil, false)
}

// A connection's turn of small payloads, again and again, allocates nothing.
func TestWriterKeepsTheBufferOfATurn(t *testing.T) {
	w := NewWriter()
	payload := make([]byte, 1<<10)
	turn := func() {
		for i := range 256 {
			w.Data(uint32(2*i+1), nil, payload, nil, false)
		}
		if err := w.Flush(io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations each turn", n)
	}
}
