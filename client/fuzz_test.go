package client

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// lines is what a server says, for seeds.
type lines struct {
	bytes.Buffer
	framer *http2.Framer
}

func say(write func(l *lines)) []byte {
	l := new(lines)
	l.framer = http2.NewFramer(l, nil)
	_ = l.framer.WriteSettings()
	write(l)
	return l.Bytes()
}

func (l *lines) headers(id uint32, end bool, fields ...string) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = l.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true,
	})
}

// FuzzClient gives what a server may say to a client with a call of each shape:
// every call ends, once, with a status, and nothing is left of it.
func FuzzClient(f *testing.F) {
	files, err := filepath.Glob("../transport/testdata/recorded/to-client/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no recordings: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, end := range [][]string{
		{"grpc-status", "0"}, {"grpc-status", "5", "grpc-message", "a%zz%2"}, {"grpc-status", "99"}, {"k-bin", "%"},
	} {
		f.Add(say(func(l *lines) {
			for id := uint32(1); id < 9; id += 2 {
				l.headers(id, false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
				_ = l.framer.WriteData(id, false, h2peer.Message([]byte("b")))
				_ = l.framer.WriteData(id, false, append([]byte{1}, h2peer.Message([]byte("b"))[1:]...))
				l.headers(id, true, end...)
			}
		}))
	}
	f.Add(say(func(l *lines) {
		l.headers(1, true, ":status", "503", "content-type", "text/html")
		_ = l.framer.WriteRSTStream(3, http2.ErrCodeRefusedStream)
		_ = l.framer.WriteGoAway(5, http2.ErrCodeNo, []byte("bye"))
		_ = l.framer.WriteData(5, true, []byte{0, 0xff, 0xff, 0xff, 0xff})
	}))
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 1<<16 {
			return
		}
		play(t, func(s *scene) { s.listen(said) })
	})
}

// listen makes the calls, lets the server say its lines, and wants all calls to
// be over when it has hung up and their deadline has passed.
func (s *scene) listen(said []byte) {
	until := WithDeadline(time.Now().Add(10 * time.Second))
	ended := make(chan error, 4)
	go func() {
		req := []byte("a")
		_, err := Unary(s.Context(), s.ch, unaryMethod, &req, until)
		ended <- err
	}()
	go func() {
		req := []byte("a")
		c, err := ServerStream(s.Context(), s.ch, serverMethod, &req, until)
		for err == nil {
			_, err = c.Recv()
		}
		ended <- err
	}()
	go func() {
		c, err := ClientStream(s.Context(), s.ch, clientMethod, until)
		if err == nil {
			req := []byte("a")
			_ = c.Send(&req)
			_, err = c.CloseAndRecv()
		}
		ended <- err
	}()
	go func() {
		c, err := BidiStream(s.Context(), s.ch, bidiMethod, until)
		for err == nil {
			_, err = c.Recv()
		}
		ended <- err
	}()
	s.advance(0)
	nc := s.accept("the calls connect")
	go func() { _, _ = io.Copy(io.Discard, nc) }()
	_, _ = nc.Write(said)
	s.advance(time.Second)
	nc.Close()
	s.advance(10 * time.Second)
	for range 4 {
		select {
		case err := <-ended:
			if code := cqrpc.CodeOf(err); err != nil && err != io.EOF && (code == cqrpc.CodeOK || code > cqrpc.CodeUnauthenticated) {
				s.Errorf("a call ended with %v", err)
			}
		default:
			s.Fatal("a call has not ended")
		}
	}
}
