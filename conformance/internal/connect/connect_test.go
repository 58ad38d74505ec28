package connect

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

type scene struct {
	md       cqrpc.Metadata
	deadline time.Time
}

func (s scene) Deadline() (time.Time, bool) { return s.deadline, !s.deadline.IsZero() }
func (s scene) Metadata() cqrpc.Metadata    { return s.md }

func TestMessagesAreDelimited(t *testing.T) {
	var pipe bytes.Buffer
	for _, name := range []string{"a", "", "b"} {
		if err := WriteMessage(&pipe, &connectpb.ClientCompatRequest{TestName: name}); err != nil {
			t.Fatal(err)
		}
	}
	cut := append(bytes.Clone(pipe.Bytes()), 0, 0, 0, 9, 1)
	r := bufio.NewReader(bytes.NewReader(cut))
	for _, name := range []string{"a", "", "b"} {
		var m connectpb.ClientCompatRequest
		if err := ReadMessage(r, &m); err != nil || m.GetTestName() != name {
			t.Errorf("read %v, %v; want %q", &m, err, name)
		}
	}
	if err := ReadMessage(r, new(connectpb.ClientCompatRequest)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a message that was cut: %v", err)
	}
	if err := ReadMessage(r, new(connectpb.ClientCompatRequest)); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

// perform is what a style does with a script, save waiting.
func perform(t *testing.T, s *Script, requests ...proto.Message) (sent []*connectpb.ConformancePayload, end error) {
	t.Helper()
	for _, req := range requests {
		if err := s.Saw(req); err != nil {
			t.Fatal(err)
		}
		if s.IsFullDuplex() && s.HasNext() {
			sent = append(sent, s.Next())
		}
	}
	for s.HasNext() {
		sent = append(sent, s.Next())
	}
	return sent, s.End()
}

func TestScriptOfUnary(t *testing.T) {
	sc := scene{cqrpc.Pairs("k", "1", "b-bin", "\xff", "k", "2"), time.Now().Add(time.Hour)}
	sent, err := perform(t, NewScript(sc, true), &connectpb.UnaryRequest{
		ResponseDefinition: &connectpb.UnaryResponseDefinition{
			Response: &connectpb.UnaryResponseDefinition_ResponseData{ResponseData: []byte("data")},
		},
	})
	if err != nil || len(sent) != 1 || string(sent[0].GetData()) != "data" {
		t.Fatalf("sent %v, %v", sent, err)
	}
	info := sent[0].GetRequestInfo()
	if len(info.GetRequests()) != 1 || info.GetTimeoutMs() < 1000 || info.GetTimeoutMs() > 3600_000 {
		t.Errorf("told of %d requests and %d ms", len(info.GetRequests()), info.GetTimeoutMs())
	}
	want := []*connectpb.Header{{Name: "k", Value: []string{"1", "2"}}, {Name: "b-bin", Value: []string{"/w"}}}
	for i, h := range info.GetRequestHeaders() {
		if !proto.Equal(h, want[i]) {
			t.Errorf("header %v, want %v", h, want[i])
		}
	}
}

func TestScriptWithoutDefinition(t *testing.T) {
	for oneResponse, want := range map[bool]int{true: 1, false: 0} {
		if sent, err := perform(t, NewScript(scene{}, oneResponse)); len(sent) != want || err != nil {
			t.Errorf("one response %v: sent %v, %v", oneResponse, sent, err)
		}
	}
}

// What no response has told of is told by the error.
func TestScriptOfFailure(t *testing.T) {
	failure := &connectpb.Error{Code: connectpb.Code_CODE_ABORTED, Message: proto.String("so")}
	for responses, details := range []int{1, 0} {
		def := &connectpb.StreamResponseDefinition{Error: failure, ResponseData: make([][]byte, responses)}
		sent, err := perform(t, NewScript(scene{}, false), &connectpb.ServerStreamRequest{ResponseDefinition: def})
		st := cqrpc.StatusOf(err)
		if len(sent) != responses || st.Code != cqrpc.CodeAborted || st.Message != "so" || len(st.Details) != details {
			t.Errorf("%d responses: sent %v, %v", responses, sent, st)
		}
	}
}

func TestScriptOfBidi(t *testing.T) {
	data := [][]byte{[]byte("0"), []byte("1"), []byte("2")}
	for fullDuplex, want := range map[bool][]int{true: {1, 1, 0}, false: {2, 0, 0}} {
		first := &connectpb.BidiStreamRequest{
			FullDuplex: fullDuplex, ResponseDefinition: &connectpb.StreamResponseDefinition{ResponseData: data},
		}
		sent, err := perform(t, NewScript(scene{}, false), first, &connectpb.BidiStreamRequest{})
		if err != nil || len(sent) != len(want) {
			t.Errorf("full duplex %v: sent %v, %v", fullDuplex, sent, err)
			continue
		}
		for i, p := range sent {
			if n := len(p.GetRequestInfo().GetRequests()); n != want[i] || string(p.GetData()) != string(data[i]) {
				t.Errorf("full duplex %v: response %d tells of %d requests, want %d", fullDuplex, i, n, want[i])
			}
		}
	}
}

func TestOrderRefuses(t *testing.T) {
	good := func() *connectpb.ClientCompatRequest {
		return &connectpb.ClientCompatRequest{
			Protocol: connectpb.Protocol_PROTOCOL_GRPC, StreamType: connectpb.StreamType_STREAM_TYPE_UNARY,
			RequestMessages: []*anypb.Any{{}},
		}
	}
	if _, err := NewOrder(good()); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*connectpb.ClientCompatRequest){
		"raw":       func(r *connectpb.ClientCompatRequest) { r.RawRequest = &connectpb.RawHTTPRequest{} },
		"no gRPC":   func(r *connectpb.ClientCompatRequest) { r.Protocol = connectpb.Protocol_PROTOCOL_CONNECT },
		"no letter": func(r *connectpb.ClientCompatRequest) { r.RequestMessages = nil },
	} {
		r := good()
		spoil(r)
		if _, err := NewOrder(r); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestOrderReports(t *testing.T) {
	r := &connectpb.ClientCompatRequest{
		TestName: "t", Protocol: connectpb.Protocol_PROTOCOL_GRPC, RequestMessages: make([]*anypb.Any, 5),
		StreamType: connectpb.StreamType_STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM,
		Cancel: &connectpb.ClientCompatRequest_Cancel{
			CancelTiming: &connectpb.ClientCompatRequest_Cancel_AfterNumResponses{AfterNumResponses: 2},
		},
	}
	o, err := NewOrder(r)
	if err != nil {
		t.Fatal(err)
	}
	o.Unsent(3)
	if o.Received(&connectpb.ConformancePayload{}) || !o.Received(&connectpb.ConformancePayload{}) {
		t.Error("to be cancelled after the second response")
	}
	o.Ended(cqrpc.Pairs("h", "1"), nil, cqrpc.Errorf(cqrpc.CodeCanceled, "so"))
	got := Report(r, o, nil)
	res := got.GetResponse()
	if got.GetTestName() != "t" || res.GetNumUnsentRequests() != 2 || len(res.GetPayloads()) != 2 ||
		len(res.GetResponseHeaders()) != 1 || res.GetError().GetCode() != connectpb.Code_CODE_CANCELED {
		t.Errorf("report %v", got)
	}
	if got := Report(r, nil, io.ErrClosedPipe); got.GetError().GetMessage() != io.ErrClosedPipe.Error() {
		t.Errorf("report %v", got)
	}
}
