package call

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

func valueOf(fields []frame.Field, name string) (string, bool) {
	i := slices.IndexFunc(fields, func(f frame.Field) bool { return f.Name == name })
	if i < 0 {
		return "", false
	}
	return fields[i].Value, true
}

// If a status is larger than the client accepts, its code still arrives.
func TestStatusOverThePeersLimit(t *testing.T) {
	r := newServerRig(t, Config{})
	r.server.limit = 2000
	st := cqrpc.Status{
		Code: cqrpc.CodeNotFound, Message: "x" + strings.Repeat("é", 2000),
		Details: []*anypb.Any{{TypeUrl: "a/b", Value: make([]byte, 5000)}},
	}
	r.start("status", SendStatus(st, cqrpc.Pairs("k", "v")))
	r.accept()
	r.want("it fits", "status")
	list := frame.HeaderList{Fields: r.server.trailers}
	if n := list.Size(); n > 2000 {
		t.Errorf("the trailers have %d octets, limit 2000", n)
	}
	if code, _ := valueOf(r.server.trailers, "grpc-status"); code != "5" {
		t.Errorf("grpc-status is %s, want 5", code)
	}
	text, _ := valueOf(r.server.trailers, "grpc-message")
	text = frame.DecodePercent(text)
	if !strings.HasPrefix(st.Message, text) || !utf8.ValidString(text) || len(text) < maxShortMessage/2 {
		t.Errorf("grpc-message is %d bytes %q, want the beginning", len(text), text)
	}
	if v, _ := valueOf(r.server.trailers, "k"); v != "v" {
		t.Error("the metadata is missing")
	}
}

// Metadata over the limit ends a client's call before anything is sent.
func TestRequestOverThePeersLimit(t *testing.T) {
	r := newRig(t, func(_ *Config, o *fakeOpener) { o.manual = true })
	var st cqrpc.Status
	r.start("all", SendInitialMetadata(cqrpc.Pairs("k", strings.Repeat("v", 500))), SendValue("x"), RecvStatus(&st, nil))
	s := &fakeStream{limit: 500}
	r.c.Bind(s, &Peer{})
	r.want("the call is over", "all")
	if st.Code != cqrpc.CodeResourceExhausted || s.given != (frame.Sent{}) || !s.isReset() {
		t.Errorf("the call ended with %v, its stream was given %+v, reset %v", st, s.given, s.isReset())
	}
}

// Metadata that is as large as the peer accepts is sent.
func TestRequestAtThePeersLimit(t *testing.T) {
	r := newRig(t, func(_ *Config, o *fakeOpener) { o.manual = true })
	r.start("init", SendInitialMetadata(cqrpc.Pairs("k", strings.Repeat("v", 500))))
	s := &fakeStream{limit: uint32(r.c.send.outbox.next.Headers.Size())}
	r.c.Bind(s, &Peer{})
	if !s.given.Headers || s.isReset() {
		t.Errorf("its stream was given %+v, reset %v", s.given, s.isReset())
	}
}

// Initial metadata over the limit ends a server's call with a status that says so.
func TestResponseOverThePeersLimit(t *testing.T) {
	r := newServerRig(t, Config{})
	r.server.limit = 500
	var cancelled bool
	r.start("close", RecvClose(&cancelled))
	r.start("init", SendInitialMetadata(cqrpc.Pairs("k", strings.Repeat("v", 500))))
	r.want("the call is over", "!init", "close")
	if code, _ := valueOf(r.server.trailers, "grpc-status"); code != "8" || !cancelled {
		t.Errorf("grpc-status is %q, want 8; cancelled %v", code, cancelled)
	}
}
