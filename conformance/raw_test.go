package conformance

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/conformance/internal/envelope"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// The Raw service is what peers in other languages and cqrpc talk about here. Its
// messages are bytes, so that no side needs generated code; all implement it.
//
//	Unary         echoes the request
//	ServerStream  wants a number n, answers "0" to "n-1"
//	ClientStream  answers with all requests in one
//	Bidi          echoes each request
//	TimeLeft      answers with the seconds until the deadline
//	Hang          says that it has begun, by initial metadata x-begun, and lasts until its call ends
//	WaitEnded     answers when a Hang has been cancelled; the peers' only
//
// The first four echo metadata x-echo and x-echo-bin, initial and trailing, or
// fail with the code in x-fail and the message in x-fail-message-bin. The peers' fail
// with UNAVAILABLE, before anything else, while grpc-previous-rpc-attempts is less than x-busy.
func raw(name string) string { return "/conformance.Raw/" + name }

type rawMessage = parity.Message

func rawMethod(name string, s call.Shape) call.Method[rawMessage, rawMessage] {
	return call.Method[rawMessage, rawMessage]{Name: raw(name), Shape: s}
}

// rawRoutes is the Raw service, for servers of every style. Every end of a Hang
// is told.
func rawRoutes(ended chan<- error) []parity.Route {
	return []parity.Route{
		parity.Unary(rawMethod("Unary", call.Unary), func(c parity.Call, req *rawMessage) (*rawMessage, error) {
			return req, rawBegin(c)
		}),
		parity.ServerStream(rawMethod("ServerStream", call.ServerStream), rawServerStream),
		parity.ClientStream(rawMethod("ClientStream", call.ClientStream), rawClientStream),
		parity.BidiStream(rawMethod("Bidi", call.BidiStream), rawBidi),
		parity.Unary(rawMethod("TimeLeft", call.Unary), func(c parity.Call, _ *rawMessage) (*rawMessage, error) {
			d, _ := c.Context().Deadline()
			return &rawMessage{Value: strconv.AppendFloat(nil, time.Until(d).Seconds(), 'f', 3, 64)}, nil
		}),
		parity.Unary(rawMethod("Hang", call.Unary), func(c parity.Call, _ *rawMessage) (*rawMessage, error) {
			_ = c.SendHeader(cqrpc.Pairs("x-begun", "yes")) // fails if the call has ended
			<-c.Context().Done()
			ended <- c.Context().Err()
			return nil, c.Context().Err()
		}),
	}
}

// rawBegin echoes metadata or fails, as the request's metadata says.
func rawBegin(c parity.Call) error {
	var md cqrpc.Metadata
	for _, p := range c.Metadata() {
		if strings.HasPrefix(p.Key, "x-echo") {
			md = append(md, p)
		}
	}
	if err := errors.Join(c.SetHeader(md), c.SetTrailer(md)); err != nil {
		return err
	}
	if code, ok := cqrpc.ParseCode(c.Metadata().Get("x-fail")); ok {
		return cqrpc.Errorf(code, "%s", c.Metadata().Get("x-fail-message-bin"))
	}
	return nil
}

func rawServerStream(c parity.Call, req *rawMessage, out parity.Sender[rawMessage]) error {
	if err := rawBegin(c); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(req.GetValue()))
	if err != nil {
		return cqrpc.Errorf(cqrpc.CodeInvalidArgument, "%w", err)
	}
	for i := range n {
		if err := out.Send(&rawMessage{Value: strconv.AppendInt(nil, int64(i), 10)}); err != nil {
			return err
		}
	}
	return nil
}

func rawClientStream(c parity.Call, in parity.Receiver[rawMessage]) (*rawMessage, error) {
	if err := rawBegin(c); err != nil {
		return nil, err
	}
	var all []byte
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return &rawMessage{Value: all}, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, req.GetValue()...)
	}
}

func rawBidi(c parity.Call, in parity.Receiver[rawMessage], out parity.Sender[rawMessage]) error {
	if err := rawBegin(c); err != nil {
		return err
	}
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Send(req); err != nil {
			return err
		}
	}
}

// rawHost serves the Raw service in one style.
func rawHost(t *testing.T, k parity.HostKind, ended chan<- error) *parity.Host {
	t.Helper()
	return k.Start(t, nil, parity.Serving{
		Routes: rawRoutes(ended), Gzip: true, Options: []server.Option{server.WithCodecs(envelope.Codec())},
	})
}
