package conformance

import (
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// failing asks both kinds of call for a status and returns the two answers.
func failing(t *testing.T, c caller, st *testpb.EchoStatus) (unary, stream error) {
	t.Helper()
	_, unary = c.UnaryCall(within(t), &testpb.SimpleRequest{ResponseStatus: st}, options{})
	s := begin[duplex](t)(c.FullDuplexCall(within(t), options{}))
	want(t, "Send", s.Send(&outputRequest{ResponseStatus: st}))
	want(t, "CloseSend", s.CloseSend())
	_, stream = s.Recv()
	return unary, stream
}

func wantStatus(t *testing.T, what string, err error, code cqrpc.Code, message string) {
	t.Helper()
	wantCode(t, what, err, code)
	if got := cqrpc.StatusOf(err).Message; got != message {
		t.Errorf("%s: message %q, want %q", what, got, message)
	}
}

func statusCodeAndMessage(t *testing.T, p *pairing) {
	unary, stream := failing(t, p.connect(t, nil), &testpb.EchoStatus{Code: 2, Message: "test status message"})
	wantStatus(t, "UnaryCall", unary, cqrpc.CodeUnknown, "test status message")
	wantStatus(t, "FullDuplexCall", stream, cqrpc.CodeUnknown, "test status message")
}

func everyCode(t *testing.T, p *pairing) {
	c := p.connect(t, nil)
	for code := cqrpc.CodeCanceled; code <= cqrpc.CodeUnauthenticated; code++ {
		unary, stream := failing(t, c, &testpb.EchoStatus{Code: int32(code), Message: code.String()})
		wantStatus(t, "UnaryCall", unary, code, code.String())
		wantStatus(t, "FullDuplexCall", stream, code, code.String())
	}
}

// What is not printable ASCII, and "%" itself, travels percent-encoded (gRPC
// over HTTP/2, Status-Message).
func specialMessages(t *testing.T, p *pairing) {
	c := p.connect(t, nil)
	for _, message := range []string{
		"\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
		"100%", "%41 is not A", "%", "%%zz", " leading and trailing ", "\x00\x01\x7f",
		"a,b;c=d\"e'f", strings.Repeat("long ü ", 500),
	} {
		unary, stream := failing(t, c, &testpb.EchoStatus{Code: 2, Message: message})
		wantStatus(t, "UnaryCall", unary, cqrpc.CodeUnknown, message)
		wantStatus(t, "FullDuplexCall", stream, cqrpc.CodeUnknown, message)
	}
}

func statusDetails(t *testing.T, p *pairing) {
	var details []*anypb.Any
	for _, m := range []proto.Message{
		&errdetails.ErrorInfo{Reason: "STOCKOUT", Domain: "example.com", Metadata: map[string]string{"zone": "a"}},
		&testpb.Payload{Body: []byte(everyByte)},
		new(testpb.Empty),
	} {
		a, err := anypb.New(m)
		want(t, "anypb.New", err)
		details = append(details, a)
	}
	sent := &cqrpc.Error{Status: cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "none left", Details: details}}
	service := testservice.New()
	service.UnaryCall = func(testservice.Call, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return nil, sent
	}
	service.FullDuplexCall = func(
		_ testservice.Call, _ testservice.Receiver[outputRequest], out testservice.Sender[outputResponse],
	) error {
		if err := out.Send(new(outputResponse)); err != nil {
			return err
		}
		return sent
	}
	unary, stream := bothErrors(t, p.connect(t, service))
	wantDetails(t, "UnaryCall", unary, details)
	wantDetails(t, "FullDuplexCall", stream, details)
}

// bothErrors returns how a unary call ends, and a stream after one response.
func bothErrors(t *testing.T, c caller) (unary, stream error) {
	_, unary = c.UnaryCall(within(t), new(testpb.SimpleRequest), options{})
	s := begin[duplex](t)(c.FullDuplexCall(within(t), options{}))
	_, err := s.Recv()
	want(t, "Recv", err)
	_, stream = s.Recv()
	return unary, stream
}

func wantDetails(t *testing.T, what string, err error, details []*anypb.Any) {
	t.Helper()
	wantStatus(t, what, err, cqrpc.CodeUnavailable, "none left")
	got := cqrpc.StatusOf(err).Details
	if len(got) != len(details) {
		t.Fatalf("%s: %d details, want %d", what, len(got), len(details))
	}
	for i := range got {
		if !proto.Equal(got[i], details[i]) {
			t.Errorf("%s: detail %d is %v, want %v", what, i, got[i], details[i])
		}
	}
}

func statusAfterMessages(t *testing.T, p *pairing) {
	const n = 100
	service := testservice.New()
	service.StreamingOutputCall = func(
		_ testservice.Call, _ *outputRequest, out testservice.Sender[outputResponse],
	) error {
		for i := range n {
			if err := out.Send(&outputResponse{Payload: &testpb.Payload{Body: noise(1000, uint64(i))}}); err != nil {
				return err
			}
		}
		return cqrpc.Errorf(cqrpc.CodeDataLoss, "no more")
	}
	s := begin[output](t)(p.connect(t, service).StreamingOutputCall(within(t), new(outputRequest), options{}))
	for i := range n {
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), noise(1000, uint64(i)))
	}
	_, err := s.Recv()
	wantStatus(t, "after the messages", err, cqrpc.CodeDataLoss, "no more")
}

// sendUntilEnd sends until the call has ended, and returns what Send does then.
// Flow control sees to it that it does not get far without the server.
func sendUntilEnd(s input) error {
	req := &inputRequest{Payload: &testpb.Payload{Body: make([]byte, chunk)}}
	for {
		if err := s.Send(req); err != nil {
			return err
		}
	}
}

func earlyStatus(t *testing.T, p *pairing) {
	service := testservice.New()
	service.StreamingInputCall = func(_ testservice.Call, in testservice.Receiver[inputRequest]) (*inputResponse, error) {
		if _, err := in.Recv(); err != nil {
			return nil, err
		}
		return nil, cqrpc.Errorf(cqrpc.CodePermissionDenied, "I have seen enough")
	}
	c := p.connect(t, service)
	s := begin[input](t)(c.StreamingInputCall(within(t), options{}))
	wantEnd(t, "Send", sendUntilEnd(s))
	_, err := s.CloseAndRecv()
	wantStatus(t, "CloseAndRecv", err, cqrpc.CodePermissionDenied, "I have seen enough")
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "the next call on the connection", err)
}

func earlyResponse(t *testing.T, p *pairing) {
	service := testservice.New()
	service.StreamingInputCall = func(_ testservice.Call, in testservice.Receiver[inputRequest]) (*inputResponse, error) {
		_, err := in.Recv()
		return &inputResponse{AggregatedPayloadSize: 7}, err
	}
	c := p.connect(t, service)
	s := begin[input](t)(c.StreamingInputCall(within(t), options{}))
	wantEnd(t, "Send", sendUntilEnd(s))
	res, err := s.CloseAndRecv()
	want(t, "CloseAndRecv", err)
	if res.GetAggregatedPayloadSize() != 7 {
		t.Errorf("response is %v, want the server's", res)
	}
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "the next call on the connection", err)
}
