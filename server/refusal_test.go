package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/server"
)

// request is the fields of a good request, to be spoilt.
func request(path string, change ...string) []string {
	fields := []string{
		":method", "POST", ":scheme", "http", ":path", path, ":authority", "a",
		"te", "trailers", "content-type", "application/grpc",
	}
next:
	for i := 0; i < len(change); i += 2 {
		for j := 0; j < len(fields); j += 2 {
			if fields[j] == change[i] {
				fields[j+1] = change[i+1]
				continue next
			}
		}
		fields = append(fields, change[i], change[i+1])
	}
	return fields
}

// TestRefusals: what is answered without any handler.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		fields []string
		want   []string
	}{
		{"unknown service", request("/no.Service/Method"),
			[]string{":status", "200", "grpc-status", "12", "grpc-message", "unknown service no.Service"}},
		{"unknown method", request("/test.Echo/Nope"),
			[]string{":status", "200", "grpc-status", "12", "grpc-message", "unknown method Nope for service test.Echo"}},
		{"path without slash", request("test.Echo/Unary"), []string{":status", "200", "grpc-status", "12"}},
		{"path of one part", request("/test.Echo"), []string{":status", "200", "grpc-status", "12"}},
		{"not gRPC", request(unary.Name, "content-type", "application/json"), []string{":status", "415"}},
		{"not gRPC and no such method", request("/x/y", "content-type", "text/html"), []string{":status", "415"}},
		{"GET", request("/", ":method", "GET", "content-type", ""), []string{":status", "405"}},
		{"unknown encoding", request(unary.Name, "grpc-encoding", "lzma"),
			[]string{"grpc-status", "12", "grpc-accept-encoding", "identity,gzip"}},
		{"unknown codec", request(unary.Name, "content-type", "application/grpc+json"),
			[]string{"grpc-status", "12"}},
		{"malformed timeout", request(unary.Name, "grpc-timeout", "soon"), []string{"grpc-status", "13"}},
		{"timeout of nothing", request(unary.Name, "grpc-timeout", "0n"), []string{"grpc-status", "4"}},
		{"timeout of next to nothing", request(unary.Name, "grpc-timeout", "1n"), []string{"grpc-status", "4"}},
		{"binary metadata that is none", request(unary.Name, "k-bin", "%"), []string{"grpc-status", "13"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := serveHandlers(t, server.Unary(unary, echo)).dial()
				p.WriteHeaders(1, false, test.fields...)
				p.Advance(time.Second) // at most, see TestRefusalWaits
				p.WantHeaders("the answer is one block", 1, true, test.want...)
				p.WantRST("the client was not done", 1, http2.ErrCodeNo)
				p.WriteData(1, true, []byte("on its way"))
				p.Request(3, unary.Name, "user-agent", "next")
				p.WriteMessage(3, true, nil)
				p.WantResponse("the connection is fine", 3)
			})
		})
	}
}

// TestRefusalAtOnce: a request that has ended with its headers is not waited for.
func TestRefusalAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := serveHandlers(t, server.Unary(unary, echo)).dial()
		p.WriteHeaders(1, true, request(unary.Name, "content-type", "text/plain")...)
		begun := time.Now()
		p.WantHeaders("the answer", 1, true, ":status", "415")
		if d := time.Since(begun); d > 0 {
			t.Errorf("it came after %v", d)
		}
	})
}

// TestRefusalWaits: a client that speaks no gRPC is answered when it has sent
// its request, and the request is held to its rules until then.
func TestRefusalWaits(t *testing.T) {
	isReset := func(code http2.ErrCode) func(p peer) {
		return func(p peer) { p.WantRST("malformed (RFC 9113 section 8.1.1)", 1, code) }
	}
	isAnswered := func(p peer) { p.WantHeaders("the answer", 1, true, ":status", "415") }
	for _, test := range []struct {
		name  string
		write func(p peer)
		want  func(p peer)
	}{
		{"body", func(p peer) { p.WriteData(1, true, []byte("345")) }, isAnswered},
		{"trailers", func(p peer) {
			p.WriteData(1, false, []byte("345"))
			p.WriteHeaders(1, true, "a", "b")
		}, isAnswered},
		{"body shorter than announced", func(p peer) { p.WriteData(1, true, []byte("3")) }, isReset(http2.ErrCodeProtocol)},
		{"headers without end", func(p peer) { p.WriteHeaders(1, false, "a", "b") }, isReset(http2.ErrCodeProtocol)},
		{"DATA after RST_STREAM", func(p peer) {
			p.WriteRST(1, http2.ErrCodeCancel)
			p.WriteData(1, true, []byte("345"))
		}, isReset(http2.ErrCodeStreamClosed)},
		{"RST_STREAM", func(p peer) { p.WriteRST(1, http2.ErrCodeCancel) }, func(peer) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := serveHandlers(t, server.Unary(unary, echo)).dial()
				p.WriteHeaders(1, false, request(unary.Name, "content-type", "text/plain", "content-length", "5")...)
				p.WriteData(1, false, []byte("12"))
				p.Advance(time.Second - 1)
				p.WantIdle("there may be more")
				test.write(p)
				test.want(p)
				p.Advance(time.Minute)
				p.WantIdle("that was all, no reset follows")
			})
		})
	}
}

// TestRefusalOfUpload: a body larger than the window is dropped, to a limit.
func TestRefusalOfUpload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := serveHandlers(t, server.Unary(unary, echo)).dial()
		const window, credit = 65535, 1 << 20
		p.WriteHeaders(1, false, request(unary.Name, "content-type", "text/plain")...)
		chunk := make([]byte, 1<<14)
		for range credit / len(chunk) {
			p.WriteData(1, false, chunk)
			p.WantIdle("within the credit")
		}
		for range window / len(chunk) {
			p.WriteData(1, false, chunk)
		}
		p.WriteData(1, false, chunk)
		p.WantRST("no more", 1, http2.ErrCodeFlowControl)
	})
}

// TestLimits: what is too much for this server ends the call, not more.
func TestLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithMaxRecvMessage(100), server.WithMaxSendMessage(100))
		err := s.Register(server.Unary(unary, func(_ context.Context, req *text) (*text, error) {
			return &text{Value: req.Value + req.Value}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteData(1, false, []byte{0, 0, 0, 0, 101})
		p.WantTrailers("the prefix tells enough", 1, 8,
			"grpc-message", "SERVER: Received message larger than max (101 vs. 100)")
		p.WantRST("the client was not done", 1, http2.ErrCodeNo)
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, encoded(strings.Repeat("x", 60)))
		p.WantTrailers("the response is too large", 3, 8)
	})
}

// TestCompressor: responses are compressed for clients that can read them.
func TestCompressor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithCompressor("gzip"))
		if err := s.Register(serverUnaryEcho); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name, "grpc-accept-encoding", "identity, gzip")
		p.WriteMessage(1, true, encoded(strings.Repeat("x", 1000)))
		p.WantResponse("the client reads gzip", 1, "grpc-encoding", "gzip")
		f := p.Until("the end", h2frame.End)
		if data := f[0].Payload; len(data) == 0 || data[0] != 1 || len(data) > 200 {
			t.Errorf("the message is %v", f[0])
		}
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, encoded("x"))
		if f := p.WantResponse("the client did not say so", 3); f.Value("grpc-encoding") != "" {
			t.Errorf("got %v", f)
		}
	})
}

// TestCompressors: an encoding outside the set is refused, with what is in it.
func TestCompressors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithCompressors(codec.NewCompressors()))
		if err := s.Register(serverUnaryEcho); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name, "grpc-encoding", "gzip")
		p.WantTrailers("the set has identity only", 1, 12, "grpc-accept-encoding", "identity")
	})
}

// TestCodecs: the content-subtype of the request selects the codec and comes
// back in the response.
func TestCodecs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithCodecs(codec.Proto(), codec.Bytes()))
		method := call.Method[[]byte, []byte]{Name: "/test.Echo/Bytes"}
		err := s.Register(server.Unary(unary, echo),
			server.Unary(method, func(_ context.Context, req *[]byte) (*[]byte, error) { return req, nil }))
		if err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.WriteHeaders(1, false, request(method.Name, "content-type", "application/grpc+bytes")...)
		p.WriteMessage(1, true, []byte("anything"))
		p.WantResponse("the codec of the request", 1, "content-type", "application/grpc+bytes")
		p.WantMessage("as it came", 1, false, []byte("anything"))
		p.WantTrailers("fine", 1, 0)
		p.WriteHeaders(3, false, request(unary.Name, "content-type", "application/grpc+proto; charset=utf-8")...)
		p.WriteMessage(3, true, encoded("x"))
		p.WantResponse("proto goes without saying", 3, "content-type", "application/grpc")
		p.WantMessage("the answer", 3, false, encoded("re: x"))
		p.WantTrailers("fine", 3, 0)
		p.WriteHeaders(5, false, request(unary.Name, "content-type", "application/grpc; note=a+bytes")...)
		p.WriteMessage(5, true, encoded("x"))
		p.WantResponse("a parameter selects no codec", 5, "content-type", "application/grpc")
	})
}

// TestCodecsOfOneName: the first counts.
func TestCodecsOfOneName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithCodecs(codec.Bytes(), codec.Proto(), codec.BytesNamed("proto")))
		if err := s.Register(server.Unary(unary, echo)); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.WriteHeaders(1, false, request(unary.Name, "content-type", "application/grpc+proto")...)
		p.WriteMessage(1, true, encoded("x"))
		p.WantResponse("served", 1)
		p.WantMessage("by the codec of messages", 1, false, encoded("re: x"))
		p.WantTrailers("fine", 1, 0)
	})
}

// chatty is a codec whose errors quote the message, as protojson's do.
type chatty struct{ codec.Codec }

func (chatty) Unmarshal(b []byte, _ any) error { return fmt.Errorf("syntax error: %s", b) }

// What a codec quotes of a request does not come back as a header block of any size.
func TestLongCodecErrorsAreCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New(server.WithCodecs(chatty{codec.Proto()}))
		if err := s.Register(server.Unary(unary, echo)); err != nil {
			t.Fatal(err)
		}
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, []byte(strings.Repeat("x", 1<<20)))
		p.WantTrailers("refused", 1, 13, "grpc-message",
			"cannot unmarshal message into *wrapperspb.StringValue: syntax error: "+strings.Repeat("x", 498))
	})
}

// TestGenericHandler: what is not registered goes to it, bytes by any name.
func TestGenericHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, server.Unary(unary, echo),
			server.Generic(func(ctx context.Context, s *server.RawStream) error {
				info, _ := server.Incoming(ctx)
				if err := s.Send(call.CopyBuffer([]byte(info.Method))); err != nil {
					return err
				}
				for {
					b, err := s.Recv()
					if err != nil {
						return nil
					}
					if err := s.Send(b); err != nil {
						return err
					}
				}
			}))
		p := x.dial()
		p.WriteHeaders(1, false, request("/any.Thing/AtAll", "content-type", "application/grpc+thrift")...)
		p.WantResponse("a response of the same kind", 1, "content-type", "application/grpc+thrift")
		p.WantMessage("the method is known", 1, false, []byte("/any.Thing/AtAll"))
		p.WriteMessage(1, true, []byte{0xff})
		p.WantMessage("bytes pass", 1, false, []byte{0xff})
		p.WantTrailers("fine", 1, 0)
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, encoded("x"))
		p.WantResponse("registered methods come first", 3)
	})
}
