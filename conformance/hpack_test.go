package conformance

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// hpackPeer is python3-hpack in a process of its own.
type hpackPeer struct {
	t    *testing.T
	in   *json.Encoder
	out  *json.Decoder
	stop func() // ends the process; t's context would kill it
}

// hpackLine is a line of hpack_peer.py, either way.
type hpackLine struct {
	Size   *int        `json:"size,omitempty"`
	Block  *string     `json:"block,omitempty"`
	Fields [][2]string `json:"fields,omitempty"`
	Error  string      `json:"error,omitempty"`
}

func startHPACK(t *testing.T) *hpackPeer {
	t.Helper()
	cmd := pythonPeer(t, "hpack", "python3-hpack", "hpack_peer.py")
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	stdin, err := cmd.StdinPipe()
	parity.Want(t, "StdinPipe", err)
	stdout, err := cmd.StdoutPipe()
	parity.Want(t, "StdoutPipe", err)
	parity.Want(t, "Start", cmd.Start())
	stop := func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, diagnostics.String())
		}
	}
	return &hpackPeer{t, json.NewEncoder(stdin), json.NewDecoder(bufio.NewReader(stdout)), stop}
}

func (p *hpackPeer) ask(l hpackLine) hpackLine {
	p.t.Helper()
	parity.Want(p.t, "write", p.in.Encode(l))
	var answer hpackLine
	parity.Want(p.t, "read", p.out.Decode(&answer))
	if answer.Error != "" {
		p.t.Fatalf("the peer: %s", answer.Error)
	}
	return answer
}

// story is header lists as a connection would carry them, and the changes of
// the table's size between them.
type story struct{ dice *rand.Rand }

// size is a new size of the table, now and then; -1: none.
func (s story) size() int {
	if s.dice.IntN(4) > 0 {
		return -1
	}
	return [...]int{0, 50, 100, 1000, 4096}[s.dice.IntN(5)]
}

func (s story) fields() []frame.Field {
	all := []frame.Field{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: fmt.Sprintf("/s/m%d", s.dice.IntN(9))},
		{Name: ":authority", Value: "a"}, {Name: "te", Value: "trailers"}, {Name: "content-type", Value: "application/grpc"},
	}
	for range s.dice.IntN(6) {
		name := [...]string{"k", "x-trace-bin", "grpc-timeout", "user-agent", "cookie", "x-" + strings.Repeat("n", s.dice.IntN(80))}[s.dice.IntN(6)]
		value := make([]byte, s.dice.IntN(60)*s.dice.IntN(20))
		for i := range value {
			value[i] = byte(' ' + s.dice.IntN(95))
		}
		all = append(all, frame.Field{Name: name, Value: string(value), Sensitive: s.dice.IntN(5) == 0})
	}
	return all
}

const chapters = 500

// TestHPACKEncoder has our header blocks decoded by somebody else.
func TestHPACKEncoder(t *testing.T) {
	t.Parallel()
	p := startHPACK(t)
	defer p.stop()
	s := story{rand.New(rand.NewPCG(1, 2))}
	w := frame.NewWriter()
	defer w.Release()
	for i := range chapters {
		size := s.size()
		if size >= 0 {
			w.SetHeaderTableSize(uint32(size))
		}
		fields := s.fields()
		w.Headers(uint32(2*i+1), fields, false)
		block := blockOf(t, w)
		answer := p.ask(hpackLine{Size: &size, Block: &block})
		var got []frame.Field
		for _, f := range answer.Fields {
			got = append(got, frame.Field{Name: unhex(t, f[0]), Value: unhex(t, f[1])})
		}
		wantFields(t, i, got, fields)
	}
}

// TestHPACKDecoder has us decode somebody else's header blocks.
func TestHPACKDecoder(t *testing.T) {
	t.Parallel()
	p := startHPACK(t)
	defer p.stop()
	s := story{rand.New(rand.NewPCG(3, 4))}
	var wire bytes.Buffer
	r := frame.NewReader(&wire, frame.ReaderConfig{MaxHeaderList: 1 << 20})
	defer r.Release()
	for i := range chapters {
		size, fields := s.size(), s.fields()
		l := hpackLine{Size: &size}
		for _, f := range fields {
			l.Fields = append(l.Fields, [2]string{hex.EncodeToString([]byte(f.Name)), hex.EncodeToString([]byte(f.Value))})
		}
		block := unhex(t, *p.ask(l).Block)
		n := len(block)
		wire.Write([]byte{byte(n >> 16), byte(n >> 8), byte(n), 1, 4, 0, 0, 0, 1})
		wire.WriteString(block)
		f, err := r.Next()
		parity.Want(t, "Next", err)
		parity.Want(t, "header block", f.Headers.Err)
		wantFields(t, i, f.Headers.Fields, fields)
	}
}

// blockOf returns what w has to write, one HEADERS frame, without its header.
func blockOf(t *testing.T, w *frame.Writer) string {
	t.Helper()
	var wire bytes.Buffer
	parity.Want(t, "Flush", w.Flush(&wire))
	b, err := io.ReadAll(&wire)
	parity.Want(t, "ReadAll", err)
	if n := int(b[0])<<16 | int(b[1])<<8 | int(b[2]); n != len(b)-9 || b[3] != 1 {
		t.Fatalf("not one HEADERS frame but %d octets", len(b))
	}
	return hex.EncodeToString(b[9:])
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	parity.Want(t, "DecodeString", err)
	return string(b)
}

func wantFields(t *testing.T, i int, got, fields []frame.Field) {
	t.Helper()
	isSame := func(a, b frame.Field) bool { return a.Name == b.Name && a.Value == b.Value }
	if !slices.EqualFunc(got, fields, isSame) {
		t.Fatalf("list %d: %v, want %v", i, got, fields)
	}
}
