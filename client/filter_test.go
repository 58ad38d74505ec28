package client

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// ends is a filter that notes how calls have ended.
type ends []cqrpc.Status

func (e *ends) filter(ctx context.Context, s *call.Start) (context.Context, error) {
	s.OnEnd = func(end call.End) { *e = append(*e, end.Status) }
	return ctx, nil
}

// What filters are told is what the caller is, also of a call that could not be
// started.
func TestFiltersAreToldWhatTheCallerIs(t *testing.T) {
	var told ends
	play(t, func(s *scene) {
		illegal := WithMetadata(cqrpc.Pairs("not a key", ""))
		req := []byte("x")
		for shape, f := range map[string]func() error{
			"Unary": func() error {
				_, err := Unary(s.Context(), s.ch, unaryMethod, &req, illegal)
				return err
			},
			"ServerStream": func() error {
				_, err := ServerStream(s.Context(), s.ch, serverMethod, &req, illegal)
				return err
			},
			"BidiStream": func() error {
				_, err := BidiStream(s.Context(), s.ch, bidiMethod, illegal)
				return err
			},
		} {
			told = nil
			err := f()
			if len(told) != 1 || told[0].String() != cqrpc.StatusOf(err).String() || told[0].Code != cqrpc.CodeInternal {
				t.Errorf("%s: the caller got %v, the filter %v", shape, err, told)
			}
		}
	}, WithFilter(told.filter))
}

// The context that a filter returns is the call's: its deadline travels, its end ends
// the call.
func TestFilterMakesTheContextOfACall(t *testing.T) {
	var told ends
	limit := func(ctx context.Context, _ *call.Start) (context.Context, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		context.AfterFunc(ctx, cancel)
		return ctx, nil
	}
	play(t, func(s *scene) {
		r := s.unary(context.Background(), "x")
		p := s.connected()
		p.Ignore()
		if f := wantCall(p, "with a deadline", 1, unaryMethod.Name, "x"); f.Value("grpc-timeout") == "" {
			t.Error("the deadline did not travel")
		}
		s.advance(2 * time.Second)
		s.wantFailed("it has passed", r, cqrpc.CodeDeadlineExceeded)
		if len(told) != 1 || told[0].Code != cqrpc.CodeDeadlineExceeded {
			t.Errorf("the filter was told %v", told)
		}
	}, WithFilter(told.filter, limit))
}

// A call at batch level goes through filters, too: they add to what it sends.
func TestFilterOfABatch(t *testing.T) {
	var told ends
	token := func(ctx context.Context, s *call.Start) (context.Context, error) {
		s.Metadata = append(s.Metadata, cqrpc.Pairs("token", "1234")...)
		return ctx, nil
	}
	play(t, func(s *scene) {
		m, err := s.ch.RegisterMethod(unaryMethod.Name, "")
		if err != nil {
			t.Fatal(err)
		}
		var p *h2peer.Peer
		q := cq.New()
		defer q.Close(context.Background())
		for i, c := range []*call.Call{s.ch.NewCall(q, unaryMethod.Name), m.NewCall(q)} {
			err := c.StartBatch([]call.Op{call.SendInitialMetadata(cqrpc.Pairs("k", "v")), call.RecvStatus(nil, nil)}, "all")
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				p = s.connected()
			}
			id := uint32(2*i + 1)
			p.WantRequest("the batch's metadata, and the filter's", id, unaryMethod.Name, "k", "v", "token", "1234")
			c.Cancel()
			p.WantRST("cancelled", id, http2.ErrCodeCancel)
			s.wantEvent("over", q, "all", true)
		}
		if len(told) != 2 {
			t.Errorf("the filter was told %v", told)
		}
	}, WithFilter(told.filter, token))
}

// A panic of a filter is in the log.
func TestPanicOfAFilterIsLogged(t *testing.T) {
	var log bytes.Buffer
	play(t, func(s *scene) {
		req := []byte("x")
		_, err := Unary(s.Context(), s.ch, unaryMethod, &req)
		if cqrpc.CodeOf(err) != cqrpc.CodeInternal || strings.Contains(err.Error(), "secret") {
			t.Errorf("the caller got %v", err)
		}
		if text := log.String(); !strings.Contains(text, unaryMethod.Name) || !strings.Contains(text, "secret") {
			t.Errorf("the log has %q", text)
		}
	}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		WithFilter(func(context.Context, *call.Start) (context.Context, error) { panic("secret") }))
}

// So is that of a batch-level call.
func TestFilterMakesTheContextOfABatch(t *testing.T) {
	var told ends
	limit := func(ctx context.Context, s *call.Start) (context.Context, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		s.OnEnd = func(call.End) { cancel() }
		return ctx, nil
	}
	play(t, func(s *scene) {
		q := cq.New()
		defer q.Close(context.Background())
		c := s.ch.NewCall(q, unaryMethod.Name)
		defer c.Cancel()
		var st cqrpc.Status
		err := c.StartBatch([]call.Op{call.SendInitialMetadata(nil), call.RecvStatus(&st, nil)}, "all")
		if err != nil {
			t.Fatal(err)
		}
		p := s.connected()
		if h := p.WantHeaders("a request", 1, false); h.Value("grpc-timeout") == "" {
			t.Error("the deadline did not travel")
		}
		p.Ignore(http2.FrameRSTStream)
		s.advance(time.Minute)
		s.wantEvent("over", q, "all", true)
		if st.Code != cqrpc.CodeDeadlineExceeded || len(told) != 1 || told[0].Code != st.Code {
			t.Errorf("the call ended with %v, the filter was told %v", st, told)
		}
	}, WithFilter(told.filter, limit))
}

// A codec that panics over the request leaves no call behind.
func TestFiltersAreToldThatACodecPanics(t *testing.T) {
	var told ends
	play(t, func(s *scene) {
		req, opt := []byte("x"), WithCallCodec(mined{codec.Bytes()})
		for shape, f := range map[string]func(){
			"Unary": func() {
				_, _ = Unary(s.Context(), s.ch, unaryMethod, &req, opt)
			},
			"ServerStream": func() {
				_, _ = ServerStream(s.Context(), s.ch, serverMethod, &req, opt)
			},
		} {
			told = nil
			func() {
				defer func() {
					if v := recover(); v != "secret" {
						t.Errorf("%s panics with %v", shape, v)
					}
				}()
				f()
			}()
			if len(told) != 1 {
				t.Errorf("%s: the filter was told %v", shape, told)
			}
		}
	}, WithFilter(told.filter))
}

// mined is a codec that panics on what it is to marshal.
type mined struct{ codec.Codec }

func (mined) Append([]byte, any) ([]byte, error) { panic("secret") }
