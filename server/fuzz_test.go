package server_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// script is bytes of a client, for seeds.
type script struct {
	bytes.Buffer
	framer *http2.Framer
	block  bytes.Buffer
}

func newScript() *script {
	s := new(script)
	s.framer = http2.NewFramer(s, nil)
	s.framer.AllowIllegalWrites = true
	return s
}

func (s *script) headers(id uint32, end bool, fields ...string) *script {
	s.block.Reset()
	enc := hpack.NewEncoder(&s.block)
	enc.SetMaxDynamicTableSize(0)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = s.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: s.block.Bytes(), EndStream: end, EndHeaders: true,
	})
	return s
}

func (s *script) data(id uint32, end bool, p []byte) *script {
	_ = s.framer.WriteData(id, end, p)
	return s
}

func (s *script) reset(id uint32) *script {
	_ = s.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	return s
}

// recorded is what real clients once said after their preface (see
// transport/testdata/recorded).
func recorded(f *testing.F) [][]byte {
	f.Helper()
	files, err := filepath.Glob("../transport/testdata/recorded/to-server/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no recordings: %v", err)
	}
	var all [][]byte
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, bytes.TrimPrefix(b, []byte(http2.ClientPreface)))
	}
	return all
}

// FuzzServer gives what may follow the preface and SETTINGS to a server with
// handlers of all shapes, a queue and methods nobody asks calls of. It must
// not panic, and end.
func FuzzServer(f *testing.F) {
	for _, m := range []string{unary.Name, clientStream.Name, serverStream.Name, bidi.Name, "/a/Queued", "/a/None", "/"} {
		msg := h2peer.Message(encoded("a+b"))
		f.Add(newScript().headers(1, false, request(m)...).data(1, true, msg).Bytes())
		f.Add(newScript().headers(1, false, request(m)...).data(1, false, msg).data(1, true, msg).Bytes())
		f.Add(newScript().headers(1, true, request(m)...).headers(3, false, request(m)...).reset(3).Bytes())
		f.Add(newScript().headers(1, false, request(m, "grpc-timeout", "1n", "grpc-encoding", "gzip")...).
			data(1, true, append([]byte{1}, msg[1:]...)).Bytes())
		f.Add(newScript().headers(1, false, request(m)...).data(1, false, msg[:3]).
			headers(1, true, "grpc-status", "0").Bytes())
	}
	huge := binary.BigEndian.AppendUint32([]byte{0}, 1<<31)
	f.Add(newScript().headers(1, false, request(unary.Name)...).data(1, false, huge).Bytes())
	f.Add(newScript().headers(1, false, request(unary.Name, "content-type", "application/grpc+json")...).Bytes())
	for _, b := range recorded(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		s, _ := queued(t, server.WithTransport(transport.Config{LingerTimeout: 1}))
		method(t, s, "/a/Queued", server.PayloadOnly)
		method(t, s, "/a/None", server.PayloadNone)
		err := s.Register(server.Unary(unary, echo), server.ClientStream(clientStream, join),
			server.ServerStream(serverStream, split), server.BidiStream(bidi, shout))
		if err != nil {
			t.Fatal(err)
		}
		near, far := memconn.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- s.ServeConn(far) }()
		_, _ = io.WriteString(near, http2.ClientPreface)
		_ = http2.NewFramer(near, nil).WriteSettings()
		_, _ = near.Write(sent)
		_ = near.CloseWrite()
		_, _ = io.Copy(io.Discard, near)
		<-ended
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
