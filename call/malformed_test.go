package call

import (
	"errors"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

// Everything a server can do wrong, and the code and message that the call ends with.
func TestBadResponses(t *testing.T) {
	grpc := []string{":status", "200", "content-type", "application/grpc"}
	plain := func(r *rig) { r.response() }
	tests := []struct {
		name    string
		events  func(r *rig)
		code    cqrpc.Code
		message string
		reset   bool
	}{
		{"informational is skipped", func(r *rig) {
			r.headers(false, ":status",
				"103")
			plain(r)
			r.trailers("grpc-status", "0")
		}, cqrpc.CodeOK, "", false},
		{"HTTP 503 with a body", func(r *rig) {
			r.headers(false, ":status", "503", "content-type", "text/html")
			r.data("<h1>over", false)
			r.data("loaded</h1>\n", true)
		}, cqrpc.CodeUnavailable, `Received http2 header with status: 503: "<h1>overloaded</h1>\n"`, false},
		{"HTTP 503 with an empty body", func(r *rig) { r.headers(false, ":status", "503"); r.data("", true) },
			cqrpc.CodeUnavailable, "Received http2 header with status: 503", false},
		{"HTTP 503 with a long body", func(r *rig) {
			r.headers(false, ":status", "503")
			r.data(strings.Repeat("a", maxPage-1), false)
			r.data("bcd", false)
			r.data("e", true)
		}, cqrpc.CodeUnavailable, `Received http2 header with status: 503: "` + strings.Repeat("a", maxPage-1) + `b"`, true},
		{"HTTP 503 with a body and trailers", func(r *rig) {
			r.headers(false, ":status", "503")
			r.data("busy", false)
			r.trailers("grpc-status", "0")
		}, cqrpc.CodeUnavailable, `Received http2 header with status: 503: "busy"`, false},
		{"HTTP 503 twice", func(r *rig) {
			r.headers(false, ":status", "503")
			r.headers(false, ":status", "502")
		}, cqrpc.CodeUnavailable, "Received http2 header with status: 503", true},
		{"HTTP 503 with a body that is cut off", func(r *rig) {
			r.headers(false, ":status", "503")
			r.data("bu", false)
			r.closed(lost)
		}, cqrpc.CodeUnavailable, `Received http2 header with status: 503: "bu"`, false},
		{"HTTP 503, refused", func(r *rig) {
			r.headers(false, ":status", "503")
			r.closed(refused)
		}, cqrpc.CodeUnavailable, "Received http2 header with status: 503", false},
		{"HTTP 400", func(r *rig) { r.headers(true, ":status", "400") }, cqrpc.CodeInternal,
			"Received http2 header with status: 400", false},
		{"HTTP 401", func(r *rig) { r.headers(true, ":status", "401") }, cqrpc.CodeUnauthenticated,
			"Received http2 header with status: 401", false},
		{"HTTP 403", func(r *rig) { r.headers(true, ":status", "403") }, cqrpc.CodePermissionDenied,
			"Received http2 header with status: 403", false},
		{"HTTP 404", func(r *rig) { r.headers(true, ":status", "404") }, cqrpc.CodeUnimplemented,
			"Received http2 header with status: 404", false},
		{"HTTP 418", func(r *rig) { r.headers(true, ":status", "418") }, cqrpc.CodeUnknown,
			"Received http2 header with status: 418", false},
		{"grpc-status wins over :status", func(r *rig) { r.headers(true, ":status", "503", "grpc-status", "5") },
			cqrpc.CodeNotFound, "", false},
		{"grpc-status in headers does not count",
			func(r *rig) { r.response("grpc-status", "5"); r.trailers("grpc-status", "0") }, cqrpc.CodeOK, "", false},
		{"alien content-type", func(r *rig) {
			r.headers(false, ":status", "200", "content-type", "image/jpeg")
			r.data("\xff\xd8", true)
		}, cqrpc.CodeUnknown, `response has content-type "image/jpeg", not application/grpc: "\xff\xd8"`, false},
		{"alien content-type alone", func(r *rig) { r.headers(true, ":status", "200", "content-type", "image/jpeg") },
			cqrpc.CodeUnknown, `response has content-type "image/jpeg", not application/grpc`, false},
		{"headers twice", func(r *rig) { plain(r); plain(r) }, cqrpc.CodeInternal,
			"second header block in a response, without END_STREAM", true},
		{"DATA before headers", func(r *rig) { r.data(wire("x"), false) }, cqrpc.CodeInternal,
			"DATA before response headers", true},
		{"no status", func(r *rig) { plain(r); r.trailers("a", "b") }, cqrpc.CodeUnknown, "No status received", false},
		{"no status at all", func(r *rig) { r.headers(true, grpc...) }, cqrpc.CodeUnknown, "No status received", false},
		{"no trailers", func(r *rig) { plain(r); r.data(wire("x"), true) }, cqrpc.CodeInternal,
			"stream ended without trailers, so without a status", true},
		{"status is no number", func(r *rig) { plain(r); r.trailers("grpc-status", "abc", "grpc-message", "why") },
			cqrpc.CodeUnknown, `grpc-status is "abc": why`, false},
		{"unknown status", func(r *rig) { plain(r); r.trailers("grpc-status", "99") }, cqrpc.CodeUnknown,
			`grpc-status is "99"`, false},
		{"malformed percent sequences stay", func(r *rig) {
			plain(r)
			r.trailers("grpc-status", "5", "grpc-message",
				"a%zz%2%41")
		}, cqrpc.CodeNotFound, "a%zz%2A", false},
		{"cut message", func(r *rig) { plain(r); r.data(wire("hello")[:7], false); r.trailers("grpc-status", "0") },
			cqrpc.CodeInternal, "stream ended inside a message: 7 of 10 bytes arrived", false},
		{"cut message by DATA", func(r *rig) { plain(r); r.data(wire("hello")[:7], true) }, cqrpc.CodeInternal,
			"stream ended inside a message: 7 of 10 bytes arrived", true},
		{"cut prefix", func(r *rig) { plain(r); r.data("\x00\x00", false); r.trailers("grpc-status", "0") },
			cqrpc.CodeInternal, "stream ended inside a message: 2 of 5 bytes arrived", false},
		{"cut message, but a status", func(r *rig) { plain(r); r.data("\x00", false); r.trailers("grpc-status", "9") },
			cqrpc.CodeFailedPrecondition, "", false},
		{"unknown encoding", func(r *rig) { r.response("grpc-encoding", "br") }, cqrpc.CodeInternal,
			`grpc-encoding "br" is not supported`, true},
		{"flag", func(r *rig) { plain(r); r.data("\x02\x00\x00\x00\x00", false) }, cqrpc.CodeInternal,
			"message prefix has compressed flag 2, neither 0 nor 1", true},
		{"too large", func(r *rig) { plain(r); r.data("\x00\xff\xff\xff\xff", false) }, cqrpc.CodeResourceExhausted,
			"CLIENT: Received message larger than max (4294967295 vs. 4194304)", true},
		{"binary in headers", func(r *rig) { r.response("x-bin", "*") }, cqrpc.CodeInternal,
			`metadata "x-bin": binary header of 1 octets: illegal base64 data at input byte 0`, true},
		{"binary in trailers", func(r *rig) { plain(r); r.trailers("grpc-status", "0", "x-bin", "*") },
			cqrpc.CodeInternal, `metadata "x-bin": binary header of 1 octets: illegal base64 data at input byte 0`, false},
		{"commas", func(r *rig) {
			plain(r)
			r.trailers("grpc-status", "0", "a-bin", ",,", "b-bin", strings.Repeat(",", 63))
		},
			cqrpc.CodeInternal, `metadata "b-bin": more than 64 values are joined by commas`, false},
		{"two statuses", func(r *rig) {
			plain(r)
			r.trailers("grpc-status", "0", "grpc-message", "a", "grpc-status", "7", "grpc-message", "b")
		}, cqrpc.CodeUnknown, `grpc-status is "0, 7": a`, false},
		{"the same status twice", func(r *rig) { plain(r); r.trailers("grpc-status", "5", "grpc-status", "5") },
			cqrpc.CodeNotFound, "", false},
		{"malformed block", func(r *rig) {
			r.block(&frame.StreamError{StreamID: 1, Code: frame.ProtocolError,
				Reason: "no"})
		}, cqrpc.CodeInternal, "http2 stream 1 error PROTOCOL_ERROR: no", true},
		{"oversized block", func(r *rig) {
			r.block(&frame.StreamError{StreamID: 1, Code: frame.EnhanceYourCalm,
				Reason: "big"})
		}, cqrpc.CodeResourceExhausted, "http2 stream 1 error ENHANCE_YOUR_CALM: big", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			var st cqrpc.Status
			r.start("all", SendInitialMetadata(nil), SendClose(), RecvStatus(&st, nil))
			r.accept()
			tt.events(r)
			r.want("the call is over", "all")
			if st.Code != tt.code || st.Message != tt.message {
				t.Errorf("got %v, want %v: %s", st, tt.code, tt.message)
			}
			if got := r.stream().isReset(); got != tt.reset {
				t.Errorf("reset %v, want %v", got, tt.reset)
			}
		})
	}
}

// block delivers a header block that is malformed.
func (r *rig) block(err error) {
	r.c.Receiver().OnHeaders(&frame.Headers{StreamID: 1, Err: err}, &r.lane)
}

func TestBadRequestStreams(t *testing.T) {
	tests := []struct {
		name   string
		events func(r *rig)
		status string
	}{
		{"cut message", func(r *rig) { r.data("\x00\x00\x00\x00\x05he", true) }, "13"},
		{"flag", func(r *rig) { r.data("\x02\x00\x00\x00\x00", false) }, "13"},
		{"too large", func(r *rig) { r.data("\x00\xff\xff\xff\xff", false) }, "8"},
		{"header block without an end", func(r *rig) { r.headers(false, "a", "b") }, "13"},
		{"request trailers are a half-close", func(r *rig) { r.headers(true, "a", "b") }, "<none>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newServerRig(t, Config{})
			tt.events(r)
			if got := fieldValue(r.server.trailers, "grpc-status"); got != tt.status {
				t.Errorf("the client was told %q, want %q", got, tt.status)
			}
		})
	}
}

// How a stream's unclean end is reported.
func TestCloseErrors(t *testing.T) {
	tests := []struct {
		err  frame.CloseError
		code cqrpc.Code
	}{
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.NoError}, cqrpc.CodeInternal},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.ProtocolError}, cqrpc.CodeInternal},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.InternalError}, cqrpc.CodeInternal},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.StreamClosed}, cqrpc.CodeInternal},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: 4711}, cqrpc.CodeInternal},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.RefusedStream}, cqrpc.CodeUnavailable},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.Cancel}, cqrpc.CodeCanceled},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.EnhanceYourCalm}, cqrpc.CodeResourceExhausted},
		{frame.CloseError{Kind: frame.ResetByPeer, Code: frame.InadequateSecurity}, cqrpc.CodePermissionDenied},
		{frame.CloseError{Kind: frame.Violation, Code: frame.FlowControlError}, cqrpc.CodeInternal},
		{frame.CloseError{Kind: frame.GoneAway, Code: frame.EnhanceYourCalm}, cqrpc.CodeUnavailable},
		{frame.CloseError{Kind: frame.ConnLost, Err: errors.New("gone")}, cqrpc.CodeUnavailable},
	}
	for _, tt := range tests {
		r := newRig(t, nil)
		var st cqrpc.Status
		r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
		r.closed(&tt.err)
		r.want("over", "all")
		if st.Code != tt.code || st.Message != tt.err.Error() {
			t.Errorf("%v: got %v, want %v", &tt.err, st, tt.code)
		}
	}
}

// Which code RST_STREAM has when the client gives up.
func TestResetCodes(t *testing.T) {
	for code, want := range map[cqrpc.Code]frame.ErrCode{
		cqrpc.CodeCanceled: frame.Cancel, cqrpc.CodeDeadlineExceeded: frame.Cancel,
		cqrpc.CodeResourceExhausted: frame.EnhanceYourCalm, cqrpc.CodePermissionDenied: frame.InadequateSecurity,
		cqrpc.CodeUnavailable: frame.RefusedStream, cqrpc.CodeNotFound: frame.InternalError,
		cqrpc.CodeOK: frame.InternalError,
	} {
		r := newRig(t, nil)
		r.start("init", SendInitialMetadata(nil))
		r.c.CancelWithStatus(code, "why")
		r.c.Cancel()
		r.want("cancelled", "!init")
		if s := r.stream(); len(s.resets) != 1 || s.resets[0] != want {
			t.Errorf("%v: resets %v, want one %v", code, s.resets, want)
		}
	}
}

// A benign RST_STREAM(NO_ERROR) after complete trailers changes nothing.
func TestResetAfterTrailers(t *testing.T) {
	r := newRig(t, nil)
	var st cqrpc.Status
	r.start("all", SendInitialMetadata(nil), RecvStatus(&st, nil))
	r.accept()
	h := &frame.Headers{End: true, Fields: []frame.Field{{Name: ":status", Value: "200"}, {Name: "grpc-status",
		Value: "5"}}}
	r.c.Receiver().OnHeaders(h, &r.lane)
	r.closed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.NoError})
	r.want("over", "all")
	if st.Code != cqrpc.CodeNotFound {
		t.Errorf("status %v", st)
	}
}

func TestServerCancelSendsStatus(t *testing.T) {
	t.Run("as Trailers-Only", func(t *testing.T) {
		r := newServerRig(t, Config{})
		r.c.CancelWithStatus(cqrpc.CodeAborted, "why")
		golden(t, "trailers", r.server.trailers,
			"\n:status: 200\ncontent-type: application/grpc\ngrpc-status: 10\n!grpc-message: why\n")
		if r.server.isReset() {
			t.Error("the stream was reset under the trailers")
		}
	})
	t.Run("as trailers", func(t *testing.T) {
		r := newServerRig(t, Config{})
		r.start("init", SendInitialMetadata(nil))
		r.c.CancelWithStatus(cqrpc.CodeAborted, "why")
		golden(t, "trailers", r.server.trailers, "\ngrpc-status: 10\n!grpc-message: why\n")
		r.want("cancelled", "!init")
	})
	t.Run("not behind a message that may be stuck", func(t *testing.T) {
		r := newServerRig(t, Config{})
		r.start("msg", SendInitialMetadata(nil), SendValue("m"))
		r.c.CancelWithStatus(cqrpc.CodeAborted, "why")
		r.want("cancelled", "!msg")
		if s := r.server; s.trailers != nil || len(s.resets) != 1 || s.resets[0] != frame.InternalError {
			t.Errorf("trailers %v, resets %v", s.trailers, s.resets)
		}
	})
}
