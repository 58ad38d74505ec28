package client

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
)

// The request headers of gRPC over HTTP/2, Requests.
func TestRequestHeaders(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options []Option
		call    []CallOption
		want    []string // field names and values; "" wants the field absent
	}{
		{
			name: "defaults",
			want: []string{
				":method", "POST", ":scheme", "http", ":path", "/test.Echo/Unary", ":authority", "mem.test:50051",
				"te", "trailers", "content-type", "application/grpc+bytes", "user-agent", userAgent,
				"grpc-accept-encoding", "identity,gzip", "grpc-timeout", "", "grpc-encoding", "",
			},
		},
		{
			name:    "authority and product of the channel",
			options: []Option{WithAuthority("virtual.test"), WithUserAgent("shop/2")},
			want:    []string{":authority", "virtual.test", "user-agent", "shop/2 " + userAgent},
		},
		{
			name:    "no product", // a field value has no space at its ends (RFC 9113 section 8.2.1)
			options: []Option{WithUserAgent("")},
			want:    []string{"user-agent", userAgent},
		},
		{
			name:    "call_host_override",
			options: []Option{WithAuthority("virtual.test")},
			call:    []CallOption{WithCallAuthority("other.test")},
			want:    []string{":authority", "other.test"},
		},
		{
			name: "metadata in order",
			call: []CallOption{
				WithMetadata(cqrpc.Pairs("k", "1", "x-bin", "\x00\xff")), WithMetadata(cqrpc.Pairs("k", "2")),
			},
			want: []string{"k", "1", "k", "2", "x-bin", "AP8"},
		},
		{
			name:    "metadata of the channel comes first",
			options: []Option{WithDefaultCallOptions(WithMetadata(cqrpc.Pairs("token", "t")))},
			call:    []CallOption{WithMetadata(cqrpc.Pairs("token", "u"))},
			want:    []string{"token", "t", "token", "u"},
		},
		{
			name: "a timeout",
			call: []CallOption{WithDeadline(time.Date(2000, 1, 1, 0, 0, 5, 0, time.UTC))}, // bubbles begin in 2000
			want: []string{"grpc-timeout", "3S"},
		},
		{
			name: "a timeout from now on",
			call: []CallOption{WithTimeout(7 * time.Second)},
			want: []string{"grpc-timeout", "7S"},
		},
		{
			name: "the shorter of two",
			call: []CallOption{
				WithTimeout(7 * time.Second), WithDeadline(time.Date(2000, 1, 1, 0, 0, 5, 0, time.UTC)),
			},
			want: []string{"grpc-timeout", "3S"},
		},
		{
			name:    "a timeout of every call",
			options: []Option{WithDefaultCallOptions(WithTimeout(7 * time.Second))},
			want:    []string{"grpc-timeout", "7S"},
		},
		{
			name:    "a longer one of the call",
			options: []Option{WithDefaultCallOptions(WithTimeout(7 * time.Second))},
			call:    []CallOption{WithTimeout(8 * time.Second)},
			want:    []string{"grpc-timeout", "8S"},
		},
		{
			name:    "none of the call",
			options: []Option{WithDefaultCallOptions(WithTimeout(7 * time.Second))},
			call:    []CallOption{WithTimeout(0)},
			want:    []string{"grpc-timeout", ""},
		},
		{
			name: "compression",
			call: []CallOption{WithCompressor("gzip")},
			want: []string{"grpc-encoding", "gzip"},
		},
		{
			name: "no compression",
			call: []CallOption{WithCompressor("gzip"), WithCompressor("identity")},
			want: []string{"grpc-encoding", ""},
		},
		{
			name:    "no compressors",
			options: []Option{WithCompressors(codec.NewCompressors())},
			want:    []string{"grpc-accept-encoding", "identity"},
		},
		{
			name: "codec of the call",
			call: []CallOption{WithCallCodec(jsonish{codec.Bytes()})},
			want: []string{"content-type", "application/grpc+jsonish"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(s *scene) {
				p := s.connected()
				r := s.unary(s.Context(), "x", tt.call...)
				f := wantCall(p, "sent", 1, unaryMethod.Name, "x")
				for i := 0; i < len(tt.want); i += 2 {
					name, want := tt.want[i], tt.want[i+1]
					switch got := f.Values(name); {
					case want == "" && len(got) > 0:
						t.Errorf("%s: %q; want none", name, got)
					case want != "" && !slices.Contains(got, want):
						t.Errorf("%s: %q; want %q", name, got, want)
					}
				}
				if got := f.Values("k"); len(got) > 0 && !slices.Equal(got, []string{"1", "2"}) {
					t.Errorf("k: %q; the order was changed", got)
				}
				answer(p, 1, "y")
				s.wantOK("answered", r, "y")
			}, tt.options...)
		})
	}
}

// jsonish is a codec by another name.
type jsonish struct{ codec.Codec }

func (jsonish) Name() string { return "jsonish" }

// Protobuf goes without saying in content-type.
func TestProtobufCall(t *testing.T) {
	type text = wrapperspb.StringValue
	method := call.Method[text, text]{Name: "/test.Echo/Text"}
	play(t, func(s *scene) {
		p := s.connected()
		done := make(chan struct{})
		go func() {
			defer close(done)
			res, err := Unary(s.Context(), s.ch, method, wrapperspb.String("a"))
			if err != nil || res.GetValue() != "b" {
				s.Errorf("Unary = %v, %v", res, err)
			}
		}()
		wantCall(p, "field 1, length 1", 1, method.Name, "\x0a\x01a", "content-type", "application/grpc")
		answer(p, 1, "\x0a\x01b")
		<-done
	}, WithCodec(codec.Proto()))
}

// What the server is told of the deadline is what is left of it when the
// request goes out, not when the call was made.
func TestTimeoutCountsTheWait(t *testing.T) {
	play(t, func(s *scene) {
		s.onDial(func(context.Context) error {
			time.Sleep(2 * time.Second) // fake clock
			return nil
		})
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		defer cancel()
		r := s.unary(ctx, "x", WithDeadline(time.Now().Add(time.Hour)))
		s.advance(2 * time.Second)
		p := s.server("the call connects")
		wantCall(p, "the earlier deadline, less 2 s", 1, unaryMethod.Name, "x", "grpc-timeout", "8S")
		answer(p, 1, "y")
		s.wantOK("answered", r, "y")
	})
}

func TestInvalidMetadataFailsTheCall(t *testing.T) {
	play(t, func(s *scene) {
		for _, md := range []cqrpc.Metadata{{{Key: "Upper", Value: "x"}}, {{Key: "k", Value: "a\nb"}}} {
			r := s.unary(s.Context(), "x", WithMetadata(md))
			s.wantFailed("not sendable", r, cqrpc.CodeInternal, md[0].Key)
		}
		s.wantDials("nothing to send")
	})
}

func TestUnknownCompressorFailsTheCall(t *testing.T) {
	play(t, func(s *scene) {
		r := s.unary(s.Context(), "x", WithCompressor("snappy"))
		s.wantFailed("not installed", r, cqrpc.CodeInternal, "snappy")
		s.wantDials("nothing to send")
	})
}

// registered_call: handles are shared and calls of them are like any other.
func TestRegisteredMethod(t *testing.T) {
	play(t, func(s *scene) {
		register := func(method, authority string) *RegisteredMethod {
			s.Helper()
			m, err := s.ch.RegisterMethod(method, authority)
			if err != nil {
				s.Fatal("RegisterMethod:", err)
			}
			return m
		}
		m, other := register("/test.Echo/A", ""), register("/test.Echo/A", "other.test")
		if again := register("/test.Echo/A", ""); again != m {
			s.Error("registered twice: not the same handle")
		}
		if explicit := register("/test.Echo/A", "mem.test:50051"); explicit != m {
			s.Error("the channel's authority in words: not the same handle")
		}
		if other == m || m.Name() != "/test.Echo/A" {
			s.Errorf("handles %v and %v", m, other)
		}
		q := cq.New()
		p := s.connected()
		for i, tt := range []struct {
			m         *RegisteredMethod
			authority string
		}{{m, "mem.test:50051"}, {other, "other.test"}} {
			c := tt.m.NewCall(q)
			startUnary(s, c, i)
			id := uint32(2*i + 1)
			wantCall(p, "like any call", id, "/test.Echo/A", "x", ":authority", tt.authority)
			answer(p, id, "y")
			s.wantEvent("like any call", q, i, true)
			c.Close()
		}
	})
}

func TestRegisterMethodRefusesNames(t *testing.T) {
	play(t, func(s *scene) {
		for _, name := range []string{"", "/", "test.Echo/A", "/test.Echo", "/test.Echo/", "//A"} {
			if m, err := s.ch.RegisterMethod(name, ""); err == nil || !strings.Contains(err.Error(), "/pkg.Service/Method") {
				s.Errorf("RegisterMethod(%q) = %v, %v", name, m, err)
			}
		}
	})
}

// A batch-level call: each operation reports for itself.
func TestNewCall(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		q := cq.New()
		c := s.ch.NewCall(q, bidiMethod.Name, WithDeadline(time.Now().Add(time.Minute)))
		defer c.Close()
		var header, trailer cqrpc.Metadata
		var st cqrpc.Status
		var res []byte
		var got bool
		batch := func(tag string, ops ...call.Op) {
			s.Helper()
			if err := c.StartBatch(ops, tag); err != nil {
				s.Fatalf("batch %s: %v", tag, err)
			}
		}
		batch("start", call.SendInitialMetadata(cqrpc.Pairs("k", "v")))
		batch("header", call.RecvInitialMetadata(&header))
		batch("status", call.RecvStatus(&st, &trailer))
		s.wantEvent("the headers are out", q, "start", true)
		p.WantRequest("opened", 1, bidiMethod.Name, "k", "v")
		s.wantNoEvent("the server is silent", q)
		batch("send", call.SendValue([]byte("a")))
		s.wantEvent("the message is out", q, "send", true)
		p.WantMessage("sent", 1, false, []byte("a"))
		p.Response(1, "h", "1")
		s.wantEvent("headers came", q, "header", true)
		batch("recv", call.RecvValue(&res, &got))
		p.WriteMessage(1, false, []byte("b"))
		s.wantEvent("a message came", q, "recv", true)
		if header.Get("h") != "1" || string(res) != "b" || !got {
			s.Errorf("received %v, %q, %v", header, res, got)
		}
		batch("close", call.SendClose())
		s.wantEvent("half-closed", q, "close", true)
		p.WantData("the end of the requests", 1, true, nil)
		batch("last", call.RecvValue(&res, &got))
		p.Trailers(1, 9, "t", "2", "grpc-message", "not now")
		s.wantEvent("no further message", q, "last", true)
		s.wantEvent("the end", q, "status", true)
		if got || st.Code != cqrpc.CodeFailedPrecondition || st.Message != "not now" || trailer.Get("t") != "2" {
			s.Errorf("the end is %v, %v, %v", got, st, trailer)
		}
		p.WantIdle("the stream is over")
		p.Ignore(http2.FrameRSTStream)
	})
}
