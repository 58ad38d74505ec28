package call

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/frame"
	"google.golang.org/protobuf/types/known/anypb"
)

// lines writes fields one per line, "!" marking those kept out of the table.
func lines(fields []frame.Field) string {
	var b strings.Builder
	for _, f := range fields {
		if f.Sensitive {
			b.WriteByte('!')
		}
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	return b.String()
}

func golden(t *testing.T, why string, got []frame.Field, want string) {
	t.Helper()
	if text := lines(got); text != strings.TrimLeft(want, "\n") {
		t.Errorf("%s: got\n%swant%s", why, text, want)
	}
}

// A field's value neither begins nor ends with a space (RFC 9113 section 8.2.1); binary
// ones are encoded.
func TestSpacesAroundValues(t *testing.T) {
	r := newRig(t, nil)
	r.start("init", SendInitialMetadata(cqrpc.Metadata{
		{Key: "a", Value: "  two words "}, {Key: "b", Value: " "}, {Key: "c-bin", Value: " "},
	}))
	for name, want := range map[string]string{"a": "two words", "b": "", "c-bin": "IA"} {
		if got := fieldValue(r.stream().headers, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	r.c.Cancel()
	r.want("cancelled", "!init")
}

func TestRequestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) {
			cfg.Settings = NewSettings(Settings{})
			cfg.Deadline = time.Now().Add(1500 * time.Millisecond)
			cfg.Settings.UserAgent, cfg.Settings.Compressor, cfg.Settings.Scheme = "agent/1", "gzip", "https"
		})
		r.start("init", SendInitialMetadata(cqrpc.Metadata{
			{Key: "a", Value: "1"}, {Key: "a", Value: "2"}, {Key: "raw-bin", Value: "\x00\xff"},
			{Key: "content-length", Value: "7"}, {Key: "te", Value: "x"}, {Key: "grpc-timeout", Value: "1H"},
			{Key: "host", Value: "other"}, {Key: "connection", Value: "close"},
		}))
		golden(t, "request", r.stream().headers, `
:method: POST
:scheme: https
:path: /pkg.Service/Method
:authority: host
te: trailers
content-type: application/grpc
user-agent: agent/1
grpc-encoding: gzip
grpc-accept-encoding: identity,gzip
!grpc-timeout: 1500m
a: 1
a: 2
!raw-bin: AP8
`)
	})
}

func TestRequestHeadersOfAnotherCodec(t *testing.T) {
	r := newRig(t, nil)
	r.start("init", SendInitialMetadata(nil))
	if got := fieldValue(r.stream().headers, "content-type"); got != "application/grpc+text" {
		t.Errorf("content-type %q", got)
	}
	if got := fieldValue(r.stream().headers, "grpc-timeout"); got != "<none>" {
		t.Errorf("grpc-timeout %q", got)
	}
}

func TestResponses(t *testing.T) {
	detail := &anypb.Any{TypeUrl: "t/x", Value: []byte{1}}
	notFound := cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "no ü"}
	md := cqrpc.Pairs("k", "v")
	const head = "\n:status: 200\ncontent-type: application/grpc\n"
	const accept = "grpc-accept-encoding: identity,gzip\n"
	tests := []struct {
		name     string
		batches  [][]Op
		headers  string
		trailers string
		messages int
	}{
		{"Trailers-Only", [][]Op{{SendStatus(notFound, md)}}, "\n",
			head + "grpc-status: 5\n!grpc-message: no %C3%BC\nk: v\n", 0},
		{"Trailers-Only with empty initial metadata",
			[][]Op{{SendInitialMetadata(nil), SendStatus(cqrpc.Status{}, nil)}}, "\n", head + "grpc-status: 0\n", 0},
		{"custom initial metadata", [][]Op{{SendInitialMetadata(md), SendStatus(cqrpc.Status{}, nil)}},
			head + accept + "k: v\n", "\ngrpc-status: 0\n", 0},
		{"initial metadata went out before", [][]Op{{SendInitialMetadata(nil)}, {SendStatus(cqrpc.Status{}, nil)}},
			head + accept, "\ngrpc-status: 0\n", 0},
		{"message", [][]Op{{SendInitialMetadata(nil), SendValue("m"), SendStatus(cqrpc.Status{}, nil)}}, head + accept,
			"\ngrpc-status: 0\n", 1},
		{"message without initial metadata", [][]Op{{SendValue("m"), SendStatus(cqrpc.Status{}, nil)}}, head + accept,
			"\ngrpc-status: 0\n", 1},
		{"message queued before", [][]Op{{SendValue("m")}, {SendStatus(cqrpc.Status{}, nil)}}, head + accept,
			"\ngrpc-status: 0\n", 1},
		{"details", [][]Op{{SendStatus(cqrpc.Status{Code: 3, Details: []*anypb.Any{detail}}, nil)}}, "\n",
			head + "grpc-status: 3\n!grpc-status-details-bin: CAMaCAoDdC94EgEB\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newServerRig(t, Config{})
			for i, ops := range tt.batches {
				r.start(fmt.Sprint(i), ops...)
			}
			golden(t, "headers", r.server.headers, tt.headers)
			golden(t, "trailers", r.server.trailers, tt.trailers)
			if len(r.server.messages) != tt.messages {
				t.Errorf("%d messages", len(r.server.messages))
			}
			r.accept()
		})
	}
}

func TestSendCompression(t *testing.T) {
	long := strings.Repeat("x", 500)
	tests := []struct {
		name       string
		accept     string
		op         Op
		announced  string
		compressed bool
	}{
		{"accepted", "identity, gzip", SendValue(long), "gzip", true},
		{"not listed by the client", "identity,br", SendValue(long), "<none>", false},
		{"nothing listed", "", SendValue(long), "<none>", false},
		{"listed as the last that is looked at", strings.Repeat(",", maxAccepted-1) + "gzip", SendValue(long), "gzip", true},
		{"listed behind it", strings.Repeat(",", maxAccepted) + "gzip", SendValue(long), "<none>", false},
		{"not wanted", "gzip", SendValue(long).With(NoCompress), "gzip", false},
		{"does not shrink", "gzip", SendValue("x"), "gzip", false},
		{"empty", "gzip", SendValue(""), "gzip", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newServerRig(t, Config{Settings: NewSettings(Settings{Compressor: "gzip"})}, requestFields("grpc-accept-encoding", tt.accept)...)
			r.start("msg", SendInitialMetadata(nil), tt.op)
			if got := fieldValue(r.server.headers, "grpc-encoding"); got != tt.announced {
				t.Errorf("grpc-encoding %q, want %q", got, tt.announced)
			}
			if got := r.server.messages[0][0] == 1; got != tt.compressed {
				t.Errorf("compressed %v", got)
			}
		})
	}
}

func TestUnknownCompressorFailsTheCall(t *testing.T) {
	r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Settings.Compressor = "br" })
	var st cqrpc.Status
	r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
	r.want("the call is dead", "all")
	if st.Code != cqrpc.CodeInternal || st.Message != `compressor "br" is not among those of the channel, identity,gzip` {
		t.Errorf("status %v", st)
	}
}

// A message too long for its prefix is too large, whatever the application allows.
func TestSendLimit(t *testing.T) {
	const most = min(math.MaxUint32, math.MaxInt)
	for _, tt := range [...]struct{ n, want int }{
		{-1, most}, {0, most}, {1, 1}, {most - 1, most - 1}, {most, most}, {math.MaxInt, most},
	} {
		if got := (&Settings{MaxSendMessage: tt.n}).maxSend(); got != tt.want {
			t.Errorf("the limit of %d is %d, want %d", tt.n, got, tt.want)
		}
	}
}

func TestSendTooLarge(t *testing.T) {
	r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Settings.MaxSendMessage = 4 })
	var st cqrpc.Status
	r.start("fits", SendInitialMetadata(nil), SendValue("1234"))
	r.accept()
	r.start("st", RecvStatus(&st, nil))
	r.start("big", SendValue("12345"))
	r.want("over the limit", "fits", "!big", "st")
	if st.Code != cqrpc.CodeResourceExhausted || st.Message != "Sent message larger than max (5 vs. 4)" {
		t.Errorf("status %v", st)
	}
	s := newServerRig(t, Config{Settings: NewSettings(Settings{MaxSendMessage: 4, Codec: textCodec{}})})
	s.start("big", SendInitialMetadata(nil), SendValue("12345"))
	s.want("over the limit", "!big")
	if got := fieldValue(s.server.trailers, "grpc-status"); got != "8" {
		t.Errorf("the client was told %q", got)
	}
}

func TestServerRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newServerRig(t, Config{}, requestFields(
			"content-type", "application/grpc+text;charset=x", "grpc-timeout", "250m", "user-agent", "ua",
			"k", "v", "b-bin", "AP8,AA==", "k", "w", "grpc-encoding", "gzip", "content-length", "3")...)
		md := r.c.RequestMetadata()
		want := "[{user-agent ua} {k w} {b-bin \x00\xff} {b-bin \x00}]"
		var got []string
		for _, p := range md {
			got = append(got, "{"+p.Key+" "+p.Value+"}")
		}
		if text := "[" + strings.Join(got, " ") + "]"; text != want {
			t.Errorf("metadata %q, want %q", text, want)
		}
		d, ok := r.c.Deadline()
		if !ok || time.Until(d) != 250*time.Millisecond {
			t.Errorf("deadline %v %v", d, ok)
		}
		if r.c.Method() != "/pkg.Service/Method" || r.c.Authority() != "host" || r.c.ContentSubtype() != "text" ||
			r.c.RecvEncoding() != "gzip" || r.c.SendEncoding() != "identity" {
			t.Errorf("%v %v %v", r.c, r.c.Authority(), r.c.ContentSubtype())
		}
	})
}

func TestRefusedRequests(t *testing.T) {
	tests := []struct {
		name    string
		change  []string
		http    int
		code    cqrpc.Code
		message string
	}{
		{"GET", []string{":method", "GET"}, 405, cqrpc.CodeUnknown, `request has method "GET", not POST`},
		{"no content-type", []string{"content-type", ""}, 415, cqrpc.CodeUnknown,
			`request has content-type "", not application/grpc`},
		{"alien content-type", []string{"content-type", "application/grpcx"}, 415, cqrpc.CodeUnknown,
			`request has content-type "application/grpcx", not application/grpc`},
		{"no te", []string{"te", ""}, 415, cqrpc.CodeUnknown, `request has te "", not trailers`},
		{"no authority", []string{":authority", ""}, 400, cqrpc.CodeInternal, "request has neither :authority nor host"},
		{"path without slash", []string{":path", "pkg.Service/Method"}, 0, cqrpc.CodeUnimplemented,
			`malformed method name "pkg.Service/Method"`},
		{"bad timeout", []string{"grpc-timeout", "12345678901S"}, 0, cqrpc.CodeInternal,
			`malformed grpc-timeout "12345678901S": want 1 to 8 digits and one of H, M, S, m, u, n`},
		{"no time at all", []string{"grpc-timeout", "00S"}, 0, cqrpc.CodeDeadlineExceeded, "Deadline Exceeded"},
		{"unknown encoding", []string{"grpc-encoding", "br"}, 0, cqrpc.CodeUnimplemented,
			`grpc-encoding "br" is not supported`},
		{"unknown subtype", []string{"content-type", "application/grpc+thrift"}, 0, cqrpc.CodeUnimplemented,
			`content-subtype "thrift" is not supported`},
		{"bad binary", []string{"x-bin", "***"}, 0, cqrpc.CodeInternal,
			`metadata "x-bin": binary header of 3 octets: illegal base64 data at input byte 0`},
		{"commas", []string{"x-bin", strings.Repeat(",", 16000)}, 0, cqrpc.CodeInternal,
			`metadata "x-bin": more than 64 values are joined by commas`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &fakeStream{}
			_, err := NewServer(nil, Config{Settings: textSettings()}, s,
				&frame.Headers{Fields: requestFields(tt.change...)}, &Peer{})
			var re *RequestError
			if !errors.As(err, &re) {
				t.Fatalf("got %v", err)
			}
			if re.HTTPStatus != tt.http || re.Status.Code != tt.code || re.Status.Message != tt.message {
				t.Errorf("got %d %v", re.HTTPStatus, re.Status)
			}
			l := re.Headers()
			defer l.Free()
			if want := httpStatusText(tt.http); l.Fields[0].Value != want || !l.Fields[0].IsPseudo() {
				t.Errorf("answer begins with %v", l.Fields[0])
			}
		})
	}
	fields := append(requestFields(), frame.Field{Name: "host", Value: "a"}, frame.Field{Name: "host", Value: "a"})
	_, err := NewServer(nil, Config{}, &fakeStream{}, &frame.Headers{Fields: fields}, &Peer{})
	var re *RequestError
	if !errors.As(err, &re) || re.HTTPStatus != 400 {
		t.Errorf("two hosts: %v", err)
	}
	_, err = NewServer(nil, Config{}, &fakeStream{}, &frame.Headers{
		Err: &frame.StreamError{Code: frame.EnhanceYourCalm, Reason: "too much"},
	}, &Peer{})
	if !errors.As(err, &re) || re.HTTPStatus != 431 {
		t.Errorf("oversized header list: %v", err)
	}
}

func TestHostStandsInForAuthority(t *testing.T) {
	for authority, want := range map[string]string{"": "h", "a": "a"} {
		r := newServerRig(t, Config{}, requestFields(":authority", authority, "host", "h")...)
		if r.c.Authority() != want || r.c.RequestMetadata().Get("host") != "h" {
			t.Errorf("of %q: authority %q, metadata %v", authority, r.c.Authority(), r.c.RequestMetadata())
		}
	}
}

// What the server layer adds to a refused encoding.
func TestRefusedEncodingListsAccepted(t *testing.T) {
	settings := NewSettings(Settings{Compressors: codec.DefaultCompressors()})
	_, err := NewServer(nil, Config{Settings: settings}, &fakeStream{},
		&frame.Headers{Fields: requestFields("grpc-encoding", "br")}, &Peer{})
	var re *RequestError
	if !errors.As(err, &re) {
		t.Fatal(err)
	}
	l := re.Headers()
	defer l.Free()
	i := slices.IndexFunc(l.Fields, func(f frame.Field) bool { return f.Name == "grpc-accept-encoding" })
	if i < 0 || l.Fields[i].Value != "identity,gzip" {
		t.Errorf("answer %s", lines(l.Fields))
	}
}

// Header lists are shared only by calls whose settings make the same ones.
func TestSharedListsKnowTheCodec(t *testing.T) {
	shared := NewSettings(Settings{})
	own := *shared
	own.Codec, own.Compressor = codec.Bytes(), "gzip"
	for _, set := range []*Settings{shared, &own, shared, &own} {
		r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Settings = set })
		r.start("init", SendInitialMetadata(nil))
		want := contentTypeOf(set.Codec.Name())
		if got := fieldValue(r.stream().headers, "content-type"); got != want {
			t.Errorf("content-type %q, want %q", got, want)
		}
		encoding := set.Compressor
		if encoding == "" {
			encoding = "<none>"
		}
		if got := fieldValue(r.stream().headers, "grpc-encoding"); got != encoding {
			t.Errorf("grpc-encoding %q, want %q", got, encoding)
		}
		r.c.Cancel()
	}
}

// What a response's block says is remembered for the next block that is the same, but not with metadata,
// which becomes the application's.
func TestResponsesWithMetadataAreNotShared(t *testing.T) {
	for _, tt := range []struct {
		name string
		md   []frame.Field
		want bool
	}{
		{"no metadata", nil, true},
		{"metadata", []frame.Field{{Name: "k", Value: "v"}}, false},
	} {
		h := &frame.Headers{Known: new(frame.Known), Fields: append([]frame.Field{
			{Name: ":status", Value: "200"}, {Name: "content-type", Value: contentType},
		}, tt.md...)}
		first := readResponse(h)
		if got := readResponse(h) == first; got != tt.want {
			t.Errorf("%s: shared %v, want %v", tt.name, got, tt.want)
		}
	}
}
