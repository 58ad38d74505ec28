package call

import (
	"errors"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// fieldsOf reads "name: value" lines.
func fieldsOf(text string) (fields []frame.Field) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		fields = append(fields, frame.Field{Name: name, Value: value})
	}
	return fields
}

// Any request headers make a call or a refusal that can be answered.
func FuzzRequest(f *testing.F) {
	f.Add(lines(requestFields()), false)
	f.Add(lines(requestFields("grpc-timeout", "99999999H", "grpc-encoding", "gzip", "x-bin", "AA,AA==",
		"grpc-accept-encoding", "gzip")), true)
	f.Add(lines(requestFields("content-type", "application/grpc+", "te", "")), false)
	f.Add("host: a\nhost: b\n", true)
	f.Fuzz(func(t *testing.T, text string, end bool) {
		q := cq.New()
		s := &fakeStream{}
		c, err := NewServer(nil, Config{Completer: q, Settings: NewSettings(Settings{Compressor: "gzip"})}, s,
			&frame.Headers{Fields: fieldsOf(text), End: end}, &Peer{})
		if err != nil {
			var re *RequestError
			if !errors.As(err, &re) || re.Status.Code == cqrpc.CodeOK {
				t.Fatalf("refused with %v", err)
			}
			re.Headers().Free()
			return
		}
		if !strings.HasPrefix(c.Method(), "/") || c.Authority() == "" {
			t.Errorf("call %v of %q", c, c.Authority())
		}
		if err := c.StartBatch([]Op{SendInitialMetadata(nil), SendStatus(cqrpc.Status{}, nil)}, nil); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

// Any response headers and trailers end the call with some status, once.
func FuzzResponse(f *testing.F) {
	const good = ":status: 200\ncontent-type: application/grpc\n"
	f.Add(good, "grpc-status: 0\n")
	f.Add(good+"grpc-encoding: gzip\nx-bin: AAA\n",
		"grpc-status: 5\ngrpc-message: a%20b%\ngrpc-status-details-bin: CAUSAWE\n")
	f.Add(":status: 103\n", good+"grpc-status: 17\n")
	f.Add(":status: 503\n", "")
	f.Fuzz(func(t *testing.T, first, last string) {
		q := cq.New()
		o := &fakeOpener{}
		c := NewClient(nil, Config{Completer: q, Method: "/s/m", Settings: textSettings()}, o)
		st := cqrpc.Status{Code: 99}
		if err := c.StartBatch([]Op{SendInitialMetadata(nil), RecvMessage(nil), RecvStatus(&st, nil)}, "all"); err != nil {
			t.Fatal(err)
		}
		var lane cq.Lane
		view := c.Receiver()
		view.OnHeaders(&frame.Headers{Fields: fieldsOf(first)}, &lane)
		view.OnHeaders(&frame.Headers{Fields: fieldsOf(last), End: true}, &lane)
		if !o.streams[0].isReset() {
			view.OnClosed(nil, frame.Sent{Headers: true}, &lane)
		}
		lane.Flush()
		ev := q.NextUntil(past)
		if ev.Tag != "all" || !ev.OK || st.Code > cqrpc.CodeUnauthenticated {
			t.Fatalf("event %+v, status %v", ev, st)
		}
		if ev = q.NextUntil(past); ev.Kind != cq.Timeout {
			t.Fatalf("another event: %+v", ev)
		}
	})
}
