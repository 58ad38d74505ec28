package frame

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// golden is a file of testdata/frames: hex digits, which may be parted by
// white space and explained by "#" comments, and lines that begin with ">",
// the transcript a Reader makes of them.
type golden struct {
	wire []byte
	want []string
}

func readGolden(t testing.TB, path string) golden {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	var digits strings.Builder
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if want, ok := strings.CutPrefix(line, "> "); ok {
			g.want = append(g.want, want)
			continue
		}
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(line)
	}
	g.wire = unhex(t, digits.String())
	return g
}

func goldenFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/frames/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden frames: %v", err)
	}
	return files
}

func goldenName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txt") }

func TestGoldenFramesAreRead(t *testing.T) {
	for _, path := range goldenFiles(t) {
		t.Run(goldenName(path), func(t *testing.T) {
			trackBuffers(t)
			g := readGolden(t, path)
			checkTranscript(t, string(g.wire), g.want)
		})
	}
}

// goldenWriters make the octets of the golden file of that name.
var goldenWriters = map[string]func(w *Writer){
	"settings": func(w *Writer) {
		w.Settings(http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535})
		w.SettingsAck()
	},
	"control": func(w *Writer) {
		w.Ping([8]byte{1, 2, 3, 4, 5, 6, 7, 8})
		w.PingAck([8]byte{1, 2, 3, 4, 5, 6, 7, 8})
		w.WindowUpdate(0, 65536)
		w.WindowUpdate(3, 1)
		w.RSTStream(3, Cancel)
		w.GoAway(1<<31-1, NoError, "max_age")
	},
	"unary_request": func(w *Writer) {
		w.Headers(1, []Field{
			{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/g.G/Hi"},
			{Name: ":authority", Value: "a"}, {Name: "te", Value: "trailers"},
			{Name: "grpc-timeout", Value: "1S"},
		}, false)
		body := mem.Copy([]byte("\x0a\x01x"))
		w.Data(1, prefixOf(false, body.Len()), body.Bytes(), body, true)
		body.Free()
	},
	"unary_response": func(w *Writer) {
		w.Headers(1, []Field{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}}, false)
		w.Data(1, prefixOf(true, 0), nil, nil, false)
		w.Headers(1, []Field{{Name: "grpc-status", Value: "5"}, {Name: "grpc-message", Value: "gone"}}, true)
	},
}

func TestGoldenFramesAreWritten(t *testing.T) {
	for name, write := range goldenWriters {
		t.Run(name, func(t *testing.T) {
			trackBuffers(t)
			var got bytes.Buffer
			w := NewWriter()
			write(w)
			if err := w.Flush(&got); err != nil {
				t.Fatal(err)
			}
			want := readGolden(t, filepath.Join("testdata/frames", name+".txt")).wire
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%swant\n%s", hex.Dump(got.Bytes()), hex.Dump(want))
			}
		})
	}
}

func TestGoldenWritersHaveFiles(t *testing.T) {
	var names []string
	for _, path := range goldenFiles(t) {
		names = append(names, goldenName(path))
	}
	for name := range goldenWriters {
		if !slices.Contains(names, name) {
			t.Errorf("no testdata/frames/%s.txt", name)
		}
	}
}
