package parity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// witness is a filter that notes what it sees of each call, and tells it when the
// call has ended.
type witness struct {
	veto  string // a message with this in it is refused
	ended chan testimony
}

func newWitness() *witness { return &witness{ended: make(chan testimony, 64)} }

// testimony is what a witness has seen of one call.
type testimony struct {
	start          call.Start
	sent, received []string
	end            call.End
	ends           int
}

// filter is a call.Filter.
func (w *witness) filter(ctx context.Context, s *call.Start) (context.Context, error) {
	seen := &testimony{start: *s}
	send := make(chan []string, 1) // messages of the two directions are seen concurrently
	recv := make(chan []string, 1)
	send <- nil
	recv <- nil
	note := func(to chan []string, m any) error {
		text := filtered(m)
		to <- append(<-to, text)
		if w.veto != "" && strings.Contains(text, w.veto) {
			return cqrpc.Errorf(cqrpc.CodeInvalidArgument, "not %s", w.veto)
		}
		return nil
	}
	s.OnSend = func(m any) error { return note(send, m) }
	s.OnRecv = func(m any) error { return note(recv, m) }
	s.OnEnd = func(e call.End) {
		seen.ends++
		seen.end, seen.sent, seen.received = e, <-send, <-recv
		send <- nil
		recv <- nil
		w.ended <- *seen
	}
	return ctx, nil
}

// filtered is the body of a message as filters see it: decoded or encoded.
func filtered(m any) string {
	switch m := m.(type) {
	case *Message:
		return string(m.GetValue())
	case *call.Buffer:
		var decoded Message
		if err := proto.Unmarshal(m.Bytes(), &decoded); err != nil {
			return err.Error()
		}
		return string(decoded.GetValue())
	}
	return fmt.Sprintf("a %T", m)
}

// next is the testimony on the call that has ended next. A second end of it would be
// taken for the next one's.
func (w *witness) next(t *testing.T) testimony {
	t.Helper()
	select {
	case seen := <-w.ended:
		if seen.ends != 1 {
			t.Errorf("%s ended %d times", seen.start.Method, seen.ends)
		}
		return seen
	case <-Within(t).Done():
		t.Fatal("a filter is not told the end of its call")
	}
	return testimony{}
}

// wantNoMore fails if a call was seen that nobody has asked for.
func (w *witness) wantNoMore(t *testing.T) {
	t.Helper()
	select {
	case seen := <-w.ended:
		t.Errorf("unexpected end of %s: %v", seen.start.Method, seen.end.Status)
	default:
	}
}

// onHost serves with filters.
func onHost(s *Service, filters ...call.Filter) Serving {
	return Serving{Service: s, Options: []server.Option{server.WithFilter(filters...)}}
}

// dialFiltered makes a client with filters.
func (p *Pairing) dialFiltered(t *testing.T, h *Host, filters ...call.Filter) Caller {
	t.Helper()
	return p.DialAs(t, Dialing{Address: h.Address, Options: []client.Option{client.WithFilter(filters...)}})
}

// conversation makes a call of each shape to Echo, with the messages "one" and, where there
// are several, "two".
func conversation(t *testing.T, c Caller, o Options) {
	t.Helper()
	_, err := c.Unary(Within(t), []byte("one"), o)
	Want(t, "Unary", err)
	out, err := c.ServerStream(Within(t), []byte("one"), o)
	Want(t, "ServerStream", untilEnd(out, err))
	in := begin[Input](t)(c.ClientStream(Within(t), o))
	Want(t, "Send", in.Send([]byte("one")))
	Want(t, "Send", in.Send([]byte("two")))
	_, err = in.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	both := begin[Duplex](t)(c.BidiStream(Within(t), o))
	for _, m := range []string{"one", "two"} {
		Want(t, "Send", both.Send([]byte(m)))
		wantNext(t, both, []byte(m))
	}
	Want(t, "CloseSend", both.CloseSend())
	Want(t, "BidiStream", untilEnd(both, nil))
}

// conversations are the messages of conversation, by method.
var conversations = []struct {
	method              string
	requests, responses []string
}{
	{"Unary", []string{"one"}, []string{"one"}},
	{"ServerStream", []string{"one"}, []string{"one", "one", "one"}},
	{"ClientStream", []string{"one", "two"}, []string{"onetwo"}},
	{"BidiStream", []string{"one", "two"}, []string{"one", "two"}},
}

// wantCounted fails unless the end has the messages that were seen; each has a tag
// and a length besides.
func wantCounted(t *testing.T, seen testimony) {
	t.Helper()
	for what, count := range map[string]struct {
		messages []string
		traffic  call.Traffic
	}{"sent": {seen.sent, seen.end.Sent}, "received": {seen.received, seen.end.Received}} {
		want := call.Traffic{Messages: uint64(len(count.messages))}
		for _, m := range count.messages {
			want.Bytes += uint64(proto.Size(&Message{Value: []byte(m)}))
		}
		if count.traffic != want {
			t.Errorf("%s: %s %+v, want %+v", seen.start.Method, what, count.traffic, want)
		}
	}
}

// hostFilterSees has a filter see every call of a server, of every shape: what it is,
// its messages, its end.
func hostFilterSees(t *testing.T, p *Pairing) {
	w := newWitness()
	c := p.Dial(t, p.Serve(t, onHost(Echo(), w.filter)))
	conversation(t, c, Options{Metadata: cqrpc.Pairs("x-parity-who", "alice")})
	for _, want := range conversations {
		seen := w.next(t)
		s := seen.start
		if s.Method != "/"+ServiceName+"/"+want.method || !s.IsServer || s.Metadata.Get("x-parity-who") != "alice" {
			t.Errorf("the filter saw a start of %+v, want that of %s", s, want.method)
		}
		if (s.Peer.TLS != nil) != (p.Credentials != nil) || s.Peer.Addr == nil || s.Authority == "" {
			t.Errorf("the filter saw peer %v, TLS %v, authority %q", s.Peer, s.Peer.TLS != nil, s.Authority)
		}
		if !slices.Equal(seen.received, want.requests) || !slices.Equal(seen.sent, want.responses) {
			t.Errorf("%s: the filter saw requests %q and responses %q", want.method, seen.received, seen.sent)
		}
		wantCounted(t, seen)
		if seen.end.Status.Code != cqrpc.CodeOK {
			t.Errorf("%s: the filter was told %v", want.method, seen.end.Status)
		}
	}
	w.wantNoMore(t)
}

// userKey is the key of a value that a filter puts into a call's context.
type userKey struct{}

// who returns the value, "" if there is none.
func who(ctx context.Context) string {
	user, _ := ctx.Value(userKey{}).(string)
	return user
}

// login is a filter that lets in who says his name, and refuses others with details.
func login(ctx context.Context, s *call.Start) (context.Context, error) {
	user := s.Metadata.Get("x-parity-who")
	if user == "" {
		_ = server.SetTrailer(ctx, cqrpc.Pairs("x-parity-realm", "here"))
		st := cqrpc.Status{Code: cqrpc.CodeUnauthenticated, Message: "who are you?"}
		detail, err := anypb.New(wrapperspb.String("say it in x-parity-who"))
		if err != nil {
			return nil, err
		}
		st.Details = []*anypb.Any{detail}
		return nil, &cqrpc.Error{Status: st}
	}
	return context.WithValue(ctx, userKey{}, user), nil
}

// greeting is a service that answers each call with the name that login has found.
func greeting(calls chan<- string) *Service {
	s := Standard()
	greet := func(c Call) []byte {
		user := who(c.Context())
		calls <- user
		return []byte("hello " + user)
	}
	s.Unary = func(c Call, _ []byte) ([]byte, error) { return greet(c), nil }
	s.ServerStream = func(c Call, _ []byte, out Out) error { return out.Send(greet(c)) }
	s.ClientStream = func(c Call, _ In) ([]byte, error) { return greet(c), nil }
	s.BidiStream = func(c Call, _ In, out Out) error { return out.Send(greet(c)) }
	return s
}

// hostFilterLetsIn has handlers of every shape see what a filter has found out.
func hostFilterLetsIn(t *testing.T, p *Pairing) {
	calls := make(chan string, 8)
	c := p.Dial(t, p.Serve(t, onHost(greeting(calls), login)))
	for shape, err := range everyShape(t, c, Options{Metadata: cqrpc.Pairs("x-parity-who", "alice")}) {
		Want(t, shape, err)
		if user := <-calls; user != "alice" {
			t.Errorf("a handler was called by %q", user)
		}
	}
}

// hostFilterRefuses has no handler run for a call that a filter refuses.
func hostFilterRefuses(t *testing.T, p *Pairing) {
	calls := make(chan string, 8)
	w := newWitness()
	c := p.Dial(t, p.Serve(t, onHost(greeting(calls), w.filter, login)))
	for shape, err := range everyShape(t, c, Options{}) {
		WantStatus(t, shape, err, cqrpc.CodeUnauthenticated, "who are you?")
		if n := len(cqrpc.StatusOf(err).Details); n != 1 {
			t.Errorf("%s: %d details, want 1", shape, n)
		}
		seen := w.next(t)
		if seen.end.Status.Code != cqrpc.CodeUnauthenticated || len(seen.received) > 0 {
			t.Errorf("the filter before was told %v, saw %q", seen.end.Status, seen.received)
		}
	}
	var trailer cqrpc.Metadata
	_, err := c.Unary(Within(t), []byte("with a request"), Options{Trailer: &trailer})
	WantCode(t, "Unary", err, cqrpc.CodeUnauthenticated)
	WantMetadata(t, "trailer of the refusal", trailer, cqrpc.Pairs("x-parity-realm", "here"))
	if len(calls) > 0 {
		t.Errorf("a handler was called by %q", <-calls)
	}
}

// hostFilterRefusesMessages ends calls because of a request or a response.
func hostFilterRefusesMessages(t *testing.T, p *Pairing) {
	w := newWitness()
	w.veto = "bad"
	reached := make(chan string, 8)
	service := Echo()
	service.Unary = func(_ Call, req []byte) ([]byte, error) {
		reached <- string(req)
		return []byte("bad answer"), nil
	}
	c := p.Dial(t, p.Serve(t, onHost(service, w.filter)))
	end := func(what string, err error) {
		t.Helper()
		WantStatus(t, what, err, cqrpc.CodeInvalidArgument, "not bad")
		if st := w.next(t).end.Status; st.Code != cqrpc.CodeInvalidArgument {
			t.Errorf("%s: the filter was told %v", what, st)
		}
	}
	_, err := c.Unary(Within(t), []byte("bad request"), Options{})
	end("request", err)
	if len(reached) > 0 {
		t.Errorf("the handler got %q", <-reached)
	}
	_, err = c.Unary(Within(t), []byte("request"), Options{})
	end("response", err)
	both := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	Want(t, "Send", both.Send([]byte("one")))
	wantNext(t, both, []byte("one"))
	Want(t, "Send", both.Send([]byte("bad one")))
	_, err = both.Recv()
	end("second request", err)
}

// hostFilterPanics has a filter's panic fail its call only.
func hostFilterPanics(t *testing.T, p *Pairing) {
	w := newWitness()
	reported := make(chan any, 8)
	serving := onHost(Echo(), w.filter, func(ctx context.Context, s *call.Start) (context.Context, error) {
		if s.Metadata.Get("x-parity-panic") != "" {
			panic("secret")
		}
		return ctx, nil
	})
	serving.Options = append(serving.Options,
		server.WithPanicHandler(func(_ string, v any, _ []byte) { reported <- v }))
	c := p.Dial(t, p.Serve(t, serving))
	for shape, err := range everyShape(t, c, Options{Metadata: cqrpc.Pairs("x-parity-panic", "now")}) {
		WantStatus(t, shape, err, cqrpc.CodeInternal, "panic in filter")
		if v := <-reported; v != "secret" {
			t.Errorf("reported %v", v)
		}
		if st := w.next(t).end.Status; st.Code != cqrpc.CodeInternal {
			t.Errorf("the filter before was told %v", st)
		}
	}
	Want(t, "the next call", ping(Within(t), c, Options{}))
}

// hostFilterKnowsTheEnd has a filter be told how calls have ended.
func hostFilterKnowsTheEnd(t *testing.T, p *Pairing) {
	w := newWitness()
	service, begun, _ := hanging()
	service.Ping = func(_ Call, _ []byte) ([]byte, error) {
		return nil, cqrpc.Errorf(cqrpc.CodeNotFound, "no such thing")
	}
	h := p.Serve(t, onHost(service, w.filter))
	c := p.Dial(t, h)
	WantCode(t, "Ping", ping(Within(t), c, Options{}), cqrpc.CodeNotFound)
	if st := w.next(t).end.Status; st.Code != cqrpc.CodeNotFound || st.Message != "no such thing" {
		t.Errorf("the filter was told %v", st)
	}
	for _, shape := range shapes {
		ctx, cancel := context.WithCancel(Within(t))
		go func() {
			<-begun
			cancel()
		}()
		WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeCanceled)
		if st := w.next(t).end.Status; st.Code != cqrpc.CodeCanceled {
			t.Errorf("%s: the filter was told %v", shape.name, st)
		}
	}
	ends := callEveryShape(Within(t), c)
	for range shapes {
		<-begun
	}
	h.Wire.Cut()
	for range shapes {
		<-ends
		if st := w.next(t).end.Status; st.Code == cqrpc.CodeOK {
			t.Errorf("the connection was lost: the filter was told %v", st)
		}
	}
	w.wantNoMore(t)
}

// callerFilterSees has a filter see every call of a client, and add to its metadata.
func callerFilterSees(t *testing.T, p *Pairing) {
	w := newWitness()
	token := func(ctx context.Context, s *call.Start) (context.Context, error) {
		s.Metadata = append(s.Metadata, cqrpc.Pairs("x-parity-who", who(ctx))...)
		return ctx, nil
	}
	name := func(ctx context.Context, _ *call.Start) (context.Context, error) {
		return context.WithValue(ctx, userKey{}, "alice"), nil
	}
	heard := make(chan cqrpc.Metadata, 8)
	service := Echo()
	unary := service.Unary
	service.Unary = func(c Call, req []byte) ([]byte, error) {
		heard <- slices.Clone(c.Metadata())
		return unary(c, req)
	}
	c := p.dialFiltered(t, p.Serve(t, Serving{Service: service}), w.filter, name, token)
	conversation(t, c, Options{Metadata: cqrpc.Pairs("x-parity-k", "v")})
	WantMetadata(t, "what the server got", <-heard, cqrpc.Pairs("x-parity-k", "v", "x-parity-who", "alice"))
	for _, want := range conversations {
		seen := w.next(t)
		if seen.start.Method != "/"+ServiceName+"/"+want.method || seen.start.IsServer {
			t.Errorf("the filter saw a start of %+v, want that of %s", seen.start, want.method)
		}
		if !slices.Equal(seen.sent, want.requests) || !slices.Equal(seen.received, want.responses) {
			t.Errorf("%s: the filter saw requests %q and responses %q", want.method, seen.sent, seen.received)
		}
		wantCounted(t, seen)
		if seen.end.Status.Code != cqrpc.CodeOK || seen.end.Peer.Addr == nil {
			t.Errorf("%s: the filter was told %v of peer %v", want.method, seen.end.Status, seen.end.Peer)
		}
	}
	w.wantNoMore(t)
}

// callerFilterRefuses has a call that a filter refuses not reach the server.
func callerFilterRefuses(t *testing.T, p *Pairing) {
	w := newWitness()
	calls := make(chan string, 8)
	c := p.dialFiltered(t, p.Serve(t, Serving{Service: greeting(calls)}), w.filter, login)
	for shape, err := range everyShape(t, c, Options{}) {
		WantStatus(t, shape, err, cqrpc.CodeUnauthenticated, "who are you?")
		seen := w.next(t)
		if seen.end.Status.Code != cqrpc.CodeUnauthenticated || seen.end.Sent.Messages > 0 {
			t.Errorf("the filter before was told %+v", seen.end)
		}
	}
	Want(t, "a call that is let through", ping(Within(t), c, Options{Metadata: cqrpc.Pairs("x-parity-who", "alice")}))
	if len(calls) > 0 {
		t.Errorf("the server got a call")
	}
}

// callerFilterRefusesMessages ends calls because of a request or a response.
func callerFilterRefusesMessages(t *testing.T, p *Pairing) {
	w := newWitness()
	w.veto = "bad"
	service := Echo()
	service.Ping = func(Call, []byte) ([]byte, error) { return []byte("bad answer"), nil }
	c := p.dialFiltered(t, p.Serve(t, Serving{Service: service}), w.filter)
	end := func(what string, err error) {
		t.Helper()
		WantStatus(t, what, err, cqrpc.CodeInvalidArgument, "not bad")
		if st := w.next(t).end.Status; st.Code != cqrpc.CodeInvalidArgument {
			t.Errorf("%s: the filter was told %v", what, st)
		}
	}
	_, err := c.Unary(Within(t), []byte("bad request"), Options{})
	end("request", err)
	end("response", ping(Within(t), c, Options{}))
	both := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	Want(t, "Send", both.Send([]byte("one")))
	wantNext(t, both, []byte("one"))
	WantEnd(t, "Send", both.Send([]byte("bad one")))
	_, err = both.Recv()
	end("second request", err)
}

// callerFilterKnowsTheEnd has a filter be told how calls have ended, once, however
// they do.
func callerFilterKnowsTheEnd(t *testing.T, p *Pairing) {
	w := newWitness()
	service, begun, _ := hanging()
	h := p.Serve(t, Serving{Service: service})
	c := p.dialFiltered(t, h, w.filter)
	told := func(what string, code cqrpc.Code) {
		t.Helper()
		if st := w.next(t).end.Status; st.Code != code {
			t.Errorf("%s: the filter was told %v, want %v", what, st, code)
		}
	}
	for _, shape := range shapes {
		ctx, cancel := context.WithCancel(Within(t))
		cancel()
		WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeCanceled)
		told(shape.name+" that was never sent", cqrpc.CodeCanceled)

		ctx, cancel = context.WithCancel(Within(t))
		go func() {
			<-begun
			cancel()
		}()
		WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeCanceled)
		told(shape.name+" that was cancelled", cqrpc.CodeCanceled)

		expire(t, begun, func(ctx context.Context) {
			WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeDeadlineExceeded)
			told(shape.name+" whose deadline passed", cqrpc.CodeDeadlineExceeded)
		})
	}
	ends := callEveryShape(Within(t), c)
	for range shapes {
		<-begun
	}
	h.Wire.Cut()
	for range shapes {
		<-ends
		told("connection lost", cqrpc.CodeUnavailable)
	}
	w.wantNoMore(t)
}
