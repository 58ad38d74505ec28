package frame

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// requestFields are the headers of a typical request.
func requestFields(timeout string) []Field {
	return []Field{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/helloworld.Greeter/SayHello"},
		{Name: ":authority", Value: "localhost:50051"},
		{Name: "te", Value: "trailers"},
		{Name: "grpc-timeout", Value: timeout},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: "grpc-go-cqrpc/1.0"},
	}
}

// repeat is an endless stream that repeats its octets.
type repeat struct {
	p   []byte
	pos int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.p[r.pos:])
	r.pos = (r.pos + n) % len(r.p)
	return n, nil
}

func benchmarkReader(b *testing.B, wire string) {
	r := NewReader(&repeat{p: bytes.Repeat([]byte(wire), 100)}, ReaderConfig{})
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		f.Data.Free()
	}
}

func BenchmarkReaderData(b *testing.B) {
	for _, size := range []int{16, 1024, 16384} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			benchmarkReader(b, rawFrame(0, 0, 1, string(make([]byte, size))))
		})
	}
}

func BenchmarkReaderHeaders(b *testing.B) {
	w := NewWriter()
	w.Headers(1, requestFields("1S"), false)
	first := mustFlush(b, w)
	w.Headers(3, requestFields("999999u"), false)
	second := mustFlush(b, w)

	r := NewReader(io.MultiReader(bytes.NewReader(first), &repeat{p: bytes.Repeat(second, 100)}), ReaderConfig{})
	b.ReportAllocs()
	for b.Loop() {
		f, err := r.Next()
		if err != nil || CheckRequest(f.Headers) != nil {
			b.Fatal(err, f.Headers.Err)
		}
	}
}

func BenchmarkReaderWindowUpdate(b *testing.B) {
	benchmarkReader(b, rawFrame(8, 0, 1, "\x00\x00\x00\x01"))
}

func BenchmarkWriterHeaders(b *testing.B) {
	w := NewWriter()
	fields := [2][]Field{requestFields("999998u"), requestFields("999999u")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Headers(1, fields[i&1], false)
		_ = w.Flush(io.Discard)
	}
}

func BenchmarkWriterData(b *testing.B) {
	for _, size := range []int{16, 1024, 16000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := NewWriter()
			owner := mem.Get(size)
			prefix := prefixOf(false, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				w.Data(1, prefix, owner.Bytes(), owner, true)
				_ = w.Flush(io.Discard)
			}
		})
	}
}

// BenchmarkLoopback moves DATA frames over a TCP connection: system calls,
// vectored writes and copies included.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{1024, 16384} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkLoopback(b, size) })
	}
}

func benchmarkLoopback(b *testing.B, size int) {
	client, server := connPair(b, "tcp")
	done := make(chan error, 1)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	go func() {
		r := NewReader(server, ReaderConfig{})
		var err error
		for err == nil {
			var f Frame
			f, err = r.Next()
			f.Data.Free()
		}
		done <- err
	}()
	w := NewWriter()
	owner := mem.Get(size)
	for b.Loop() {
		w.Data(1, nil, owner.Bytes(), owner, false)
		if w.Len() >= 64<<10 {
			if err := w.Flush(client); err != nil {
				b.Fatal(err)
			}
		}
	}
	_ = w.Flush(client)
	client.Close()
	if err := <-done; err != io.EOF {
		b.Fatal(err)
	}
}

func BenchmarkAssembler(b *testing.B) {
	for _, size := range []int{16, 1024, 16000, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			wire := []byte(message(false, string(make([]byte, size))))
			a := new(Assembler)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for rest := wire; len(rest) > 0; rest = rest[min(16384, len(rest)):] {
					_ = a.Push(mem.Copy(rest[:min(16384, len(rest))]), -1)
				}
				m, ok := a.Pop()
				if !ok {
					b.Fatal("no message")
				}
				m.Body.Free()
			}
		})
	}
}

func BenchmarkAssemblerManyInOnePayload(b *testing.B) {
	for _, size := range []int{16, 512, 2048} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			wire := bytes.Repeat([]byte(message(false, string(make([]byte, size)))), 7)
			a := new(Assembler)
			b.ReportAllocs()
			for b.Loop() {
				_ = a.Push(mem.Copy(wire), -1)
				for m, ok := a.Pop(); ok; m, ok = a.Pop() {
					m.Body.Free()
				}
			}
		})
	}
}

func BenchmarkAppendTimeout(b *testing.B) {
	var buf [16]byte
	b.ReportAllocs()
	for b.Loop() {
		_ = AppendTimeout(buf[:0], 999999123)
	}
}

func BenchmarkParseTimeout(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseTimeout("999999u")
	}
}

func BenchmarkPercent(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = DecodePercent(EncodePercent("user \"ann\" has no 50% share"))
	}
}
