package parity

import (
	"errors"
	"io"
	"strconv"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// The sizes of grpc/grpc, doc/interop-test-descriptions.md.
var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int{31415, 9, 2653, 58979}
)

const (
	largeRequest  = 271828
	largeResponse = 314159
)

func emptyUnary(t *testing.T, p *Pairing) {
	res, err := p.Connect(t, nil).Unary(Within(t), nil, Options{})
	Want(t, "Unary", err)
	wantBody(t, "response", res, nil)
}

func sequentialCalls(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	for i := range 10 {
		body := Noise(i*1000, uint64(i))
		res, err := c.Unary(Within(t), body, Options{})
		Want(t, "Unary", err)
		wantBody(t, "response", res, body)
	}
}

// large is a request of 270 KB for a response of 310 KB.
func large() []byte {
	return wish{Sizes: []int{largeResponse}, Ballast: largeRequest}.bytes()
}

func largeUnary(t *testing.T, p *Pairing) {
	res, err := p.Connect(t, nil).Unary(Within(t), large(), Options{})
	Want(t, "Unary", err)
	wantBody(t, "response", res, make([]byte, largeResponse))
}

func serverStreaming(t *testing.T, p *Pairing) {
	s := begin[Output](t)(p.Connect(t, nil).ServerStream(Within(t), asking(responseSizes...), Options{}))
	for _, n := range responseSizes {
		wantNext(t, s, make([]byte, n))
	}
	wantDone(t, s)
}

func clientStreaming(t *testing.T, p *Pairing) {
	s := begin[Input](t)(p.Connect(t, nil).ClientStream(Within(t), Options{}))
	sum := 0
	for _, n := range requestSizes {
		Want(t, "Send", s.Send(make([]byte, n)))
		sum += n
	}
	res, err := s.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	if string(res) != strconv.Itoa(sum) {
		t.Errorf("server has counted %s bytes, want %d", res, sum)
	}
}

func oneRequest(t *testing.T, p *Pairing) {
	s := begin[Input](t)(p.Connect(t, Echo()).ClientStream(Within(t), Options{}))
	Want(t, "Send", s.Send([]byte("the only one")))
	res, err := s.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	wantBody(t, "response", res, []byte("the only one"))
}

func pingPong(t *testing.T, p *Pairing) {
	s := begin[Duplex](t)(p.Connect(t, nil).BidiStream(Within(t), Options{}))
	for i, n := range requestSizes {
		Want(t, "Send", s.Send(wish{Sizes: responseSizes[i : i+1], Ballast: n}.bytes()))
		wantNext(t, s, make([]byte, responseSizes[i]))
	}
	Want(t, "CloseSend", s.CloseSend())
	wantDone(t, s)
}

func pingPongOneToTen(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	for n := 1; n <= 10; n++ {
		s := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
		for i := range n {
			Want(t, "rally", Rally(s, Noise(n*100+i, uint64(i))))
		}
		Want(t, "CloseSend", s.CloseSend())
		wantDone(t, s)
	}
}

func halfDuplex(t *testing.T, p *Pairing) {
	s := begin[Duplex](t)(p.Connect(t, patient()).BidiStream(Within(t), Options{}))
	for _, n := range responseSizes {
		Want(t, "Send", s.Send(asking(n)))
	}
	Want(t, "CloseSend", s.CloseSend())
	for _, n := range responseSizes {
		wantNext(t, s, make([]byte, n))
	}
	wantDone(t, s)
}

// A stream may end without a message, in any direction that is one.
func emptyStream(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	both := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	Want(t, "CloseSend", both.CloseSend())
	wantDone(t, both)

	in := begin[Input](t)(c.ClientStream(Within(t), Options{}))
	res, err := in.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	wantBody(t, "response to no request", res, nil)

	wantDone(t, begin[Output](t)(p.Connect(t, nil).ServerStream(Within(t), asking(), Options{})))
}

// A message of no bytes is five bytes of prefix and must be delivered, also by
// a stream that consists of nothing else, and as the first of others.
func emptyMessages(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	out := begin[Output](t)(c.ServerStream(Within(t), nil, Options{}))
	for range 3 {
		wantNext(t, out, nil)
	}
	wantDone(t, out)

	both := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	bodies := [][]byte{nil, nil, []byte("full"), nil}
	for _, body := range bodies {
		Want(t, "Send", both.Send(body))
	}
	Want(t, "CloseSend", both.CloseSend())
	for _, body := range bodies {
		wantNext(t, both, body)
	}
	wantDone(t, both)
}

func serverGoesOn(t *testing.T, p *Pairing) {
	service := Standard()
	service.BidiStream = func(_ Call, in In, out Out) error {
		if _, err := in.Recv(); !errors.Is(err, io.EOF) {
			return cqrpc.Errorf(cqrpc.CodeFailedPrecondition, "%v where the half-close should be", err)
		}
		for i := range byte(5) {
			if err := out.Send([]byte{i}); err != nil {
				return err
			}
		}
		return nil
	}
	s := begin[Duplex](t)(p.Connect(t, service).BidiStream(Within(t), Options{}))
	Want(t, "CloseSend", s.CloseSend())
	for i := range byte(5) {
		wantNext(t, s, []byte{i})
	}
	wantDone(t, s)
}

func sendWhileReceiving(t *testing.T, p *Pairing) {
	exchange(t, p, 200, func(i int) []byte { return Noise(i*97%5000, uint64(i)) })
}

func manyMessages(t *testing.T, p *Pairing) {
	exchange(t, p, 4_000, func(i int) []byte { return []byte{byte(i), byte(i >> 8)} })
}

// exchange sends n messages to an echo from one goroutine and checks from
// another that they come back.
func exchange(t *testing.T, p *Pairing, n int, body func(i int) []byte) {
	s := begin[Duplex](t)(p.Connect(t, Echo()).BidiStream(Within(t), Options{}))
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.Send(body(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend()
	}()
	for i := range n {
		wantNext(t, s, body(i))
	}
	wantDone(t, s)
	Want(t, "Send", <-sent)
}

// The half-close may cross with a Recv that waits, which has to go on waiting.
func closeWhileReceiving(t *testing.T, p *Pairing) {
	s := begin[Duplex](t)(p.Connect(t, patient()).BidiStream(Within(t), Options{}))
	Want(t, "Send", s.Send(asking(7)))
	received := make(chan error, 1)
	go func() {
		res, err := s.Recv()
		if err == nil && len(res) != 7 {
			err = cqrpc.Errorf(cqrpc.CodeDataLoss, "response of %d bytes, want 7", len(res))
		}
		received <- err
	}()
	Want(t, "CloseSend", s.CloseSend())
	Want(t, "Recv", <-received)
	wantDone(t, s)
}

// everyShape makes one call of each shape of the method, "" for the right one,
// and returns how they end. Streams send one request.
func everyShape(t *testing.T, c Caller, o Options) map[string]error {
	t.Helper()
	ends := make(map[string]error)
	_, ends["Unary"] = c.Unary(Within(t), nil, o)
	out, err := c.ServerStream(Within(t), nil, o)
	ends["ServerStream"] = untilEnd(out, err)
	in, err := c.ClientStream(Within(t), o)
	if err == nil {
		_ = in.Send(nil) // may come too late
		_, err = in.CloseAndRecv()
	}
	ends["ClientStream"] = err
	both, err := c.BidiStream(Within(t), o)
	if err == nil {
		_ = both.Send(nil) // may come too late
		_ = both.CloseSend()
	}
	ends["BidiStream"] = untilEnd(both, err)
	return ends
}

// untilEnd receives to the end and returns it, nil for OK.
func untilEnd(s Output, err error) error {
	for err == nil {
		_, err = s.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func unimplementedMethod(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	for shape, err := range everyShape(t, c, Options{Method: "/" + ServiceName + "/NoSuchMethod"}) {
		WantCode(t, shape, err, cqrpc.CodeUnimplemented)
	}
	Want(t, "a method that exists", ping(Within(t), c, Options{}))
}

func unimplementedService(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	for shape, err := range everyShape(t, c, Options{Method: "/cqrpc.parity.NoSuchService/Unary"}) {
		WantCode(t, shape, err, cqrpc.CodeUnimplemented)
	}
}
