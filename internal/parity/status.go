package parity

import (
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// wantFailures asks calls of both kinds for a status.
func wantFailures(t *testing.T, c Caller, code cqrpc.Code, message string) {
	t.Helper()
	_, err := c.Unary(Within(t), failure(code, message), Options{})
	WantStatus(t, "Unary", err, code, message)
	s := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	Want(t, "Send", s.Send(failure(code, message)))
	Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	WantStatus(t, "BidiStream", err, code, message)
}

func statusCodeAndMessage(t *testing.T, p *Pairing) {
	wantFailures(t, p.Connect(t, nil), cqrpc.CodeUnknown, "test status message")
}

func everyCode(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	for code := cqrpc.CodeCanceled; code <= cqrpc.CodeUnauthenticated; code++ {
		wantFailures(t, c, code, code.String())
	}
}

// What is not printable ASCII, and "%" itself, travels percent-encoded (gRPC
// over HTTP/2, Status-Message).
func specialMessages(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	for _, message := range []string{
		"\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
		"100%", "%41 is not A", "%", "%%zz", " leading and trailing ", "\x00\x01\x7f",
		"a,b;c=d\"e'f", strings.Repeat("long ü ", 500),
	} {
		wantFailures(t, c, cqrpc.CodeUnknown, message)
	}
}

// refusing is a service whose calls end with err before a request is read or a
// response sent.
func refusing(err error) *Service {
	s := Standard()
	s.Unary = func(Call, []byte) ([]byte, error) { return nil, err }
	s.ServerStream = func(Call, []byte, Out) error { return err }
	s.ClientStream = func(Call, In) ([]byte, error) { return nil, err }
	s.BidiStream = func(Call, In, Out) error { return err }
	return s
}

func trailersOnly(t *testing.T, p *Pairing) {
	c := p.Connect(t, refusing(cqrpc.Errorf(cqrpc.CodeNotFound, "nothing here")))
	for shape, err := range everyShape(t, c, Options{}) {
		WantStatus(t, shape, err, cqrpc.CodeNotFound, "nothing here")
	}
	// There is no initial metadata, and to wait for it is not to wait for ever.
	s := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	if header, err := s.Header(); err == nil && len(header) > 0 {
		t.Errorf("initial metadata %v, want none", header)
	}
	wantFailure(t, s, cqrpc.CodeNotFound)
}

func statusDetails(t *testing.T, p *Pairing) {
	var details []*anypb.Any
	for _, m := range []proto.Message{
		wrapperspb.String("STOCKOUT"), wrapperspb.Bytes([]byte(EveryByte)), new(Message),
	} {
		a, err := anypb.New(m)
		Want(t, "anypb.New", err)
		details = append(details, a)
	}
	sent := &cqrpc.Error{Status: cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "none left", Details: details}}
	c := p.Connect(t, refusing(sent))
	for shape, err := range everyShape(t, c, Options{}) {
		wantDetails(t, shape, err, details)
	}

	service := Standard()
	service.BidiStream = func(_ Call, _ In, out Out) error {
		if err := out.Send(nil); err != nil {
			return err
		}
		return sent
	}
	s := begin[Duplex](t)(p.Connect(t, service).BidiStream(Within(t), Options{}))
	wantNext(t, s, nil)
	_, err := s.Recv()
	wantDetails(t, "after a response", err, details)
}

func wantDetails(t *testing.T, what string, err error, details []*anypb.Any) {
	t.Helper()
	WantStatus(t, what, err, cqrpc.CodeUnavailable, "none left")
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

func statusAfterMessages(t *testing.T, p *Pairing) {
	const n = 100
	service := Standard()
	service.ServerStream = func(_ Call, _ []byte, out Out) error {
		for i := range n {
			if err := out.Send(Noise(1000, uint64(i))); err != nil {
				return err
			}
		}
		return cqrpc.Errorf(cqrpc.CodeDataLoss, "no more")
	}
	s := begin[Output](t)(p.Connect(t, service).ServerStream(Within(t), nil, Options{}))
	for i := range n {
		wantNext(t, s, Noise(1000, uint64(i)))
	}
	_, err := s.Recv()
	WantStatus(t, "after the messages", err, cqrpc.CodeDataLoss, "no more")
}

// sendUntilEnd sends until the call has ended, and returns what Send does then.
// Flow control sees to it that it does not get far without the server.
func sendUntilEnd(s Input) error {
	req := make([]byte, chunk)
	for {
		if err := s.Send(req); err != nil {
			return err
		}
	}
}

func earlyStatus(t *testing.T, p *Pairing) {
	service := Standard()
	service.ClientStream = func(_ Call, in In) ([]byte, error) {
		if _, err := in.Recv(); err != nil {
			return nil, err
		}
		return nil, cqrpc.Errorf(cqrpc.CodePermissionDenied, "I have seen enough")
	}
	c := p.Connect(t, service)
	s := begin[Input](t)(c.ClientStream(Within(t), Options{}))
	WantEnd(t, "Send", sendUntilEnd(s))
	_, err := s.CloseAndRecv()
	WantStatus(t, "CloseAndRecv", err, cqrpc.CodePermissionDenied, "I have seen enough")
	Want(t, "the next call on the connection", ping(Within(t), c, Options{}))
}

func earlyResponse(t *testing.T, p *Pairing) {
	service := Standard()
	service.ClientStream = func(_ Call, in In) ([]byte, error) {
		_, err := in.Recv()
		return []byte("enough"), err
	}
	c := p.Connect(t, service)
	s := begin[Input](t)(c.ClientStream(Within(t), Options{}))
	WantEnd(t, "Send", sendUntilEnd(s))
	res, err := s.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	wantBody(t, "response", res, []byte("enough"))
	Want(t, "the next call on the connection", ping(Within(t), c, Options{}))
}

// A server may end a call with OK while the client's direction is open: its
// messages arrive, and later sends fail.
func earlyOK(t *testing.T, p *Pairing) {
	service := Standard()
	service.BidiStream = func(_ Call, in In, out Out) error {
		if err := read(in, 1); err != nil {
			return err
		}
		return write(out, 2)
	}
	c := p.Connect(t, service)
	s := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	Want(t, "Send", s.Send(nil))
	wantNext(t, s, []byte("response"))
	wantNext(t, s, []byte("response"))
	wantDone(t, s)
	WantEnd(t, "Send after the end", s.Send(nil))
	Want(t, "the next call on the connection", ping(Within(t), c, Options{}))
}
