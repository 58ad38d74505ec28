package cqrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cqrpc/cqrpc"
)

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		name string
		err  *cqrpc.Error
		want string
	}{
		{"code and message", cqrpc.Errorf(cqrpc.CodeNotFound, "no such user"), "NOT_FOUND: no such user"},
		{"code alone", cqrpc.Errorf(cqrpc.CodeInternal, ""), "INTERNAL"},
		{"cause quoted by the message", cqrpc.Errorf(cqrpc.CodeDataLoss, "read: %w", io.ErrUnexpectedEOF),
			"DATA_LOSS: read: unexpected EOF"},
		{"cause not in the message", &cqrpc.Error{
			Status: cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "connection lost"},
			Cause:  io.ErrClosedPipe,
		}, "UNAVAILABLE: connection lost: io: read/write on closed pipe"},
		{"several causes, each quoted by the message", &cqrpc.Error{
			Status: cqrpc.Status{Code: cqrpc.CodeCanceled, Message: "context canceled while waiting: EOF"},
			Cause:  errors.Join(context.Canceled, io.EOF),
		}, "CANCELLED: context canceled while waiting: EOF"},
		{"several causes, one of them not in the message", &cqrpc.Error{
			Status: cqrpc.Status{Code: cqrpc.CodeCanceled, Message: "context canceled"},
			Cause:  errors.Join(context.Canceled, io.EOF),
		}, "CANCELLED: context canceled: context canceled\nEOF"},
		{"cause without a message", &cqrpc.Error{
			Status: cqrpc.Status{Code: cqrpc.CodeUnavailable},
			Cause:  io.EOF,
		}, "UNAVAILABLE: EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("Error() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestErrorfKeepsCauses(t *testing.T) {
	if e := cqrpc.Errorf(cqrpc.CodeInternal, "plain %d", 1); e.Cause != nil {
		t.Errorf("no %%w: cause = %v, want none", e.Cause)
	}
	if e := cqrpc.Errorf(cqrpc.CodeInternal, "one: %w", io.EOF); e.Cause != io.EOF {
		t.Errorf("one %%w: cause = %v, want EOF", e.Cause)
	}
	two := cqrpc.Errorf(cqrpc.CodeInternal, "%w and %w", io.EOF, io.ErrClosedPipe)
	if !errors.Is(two, io.EOF) || !errors.Is(two, io.ErrClosedPipe) {
		t.Errorf("two %%w: %v does not match both", two)
	}
	if got, want := two.Error(), "INTERNAL: EOF and io: read/write on closed pipe"; got != want {
		t.Errorf("two %%w: Error() = %q, want %q", got, want)
	}
}

func TestErrorfNeverSucceeds(t *testing.T) {
	if e := cqrpc.Errorf(cqrpc.CodeOK, "fine"); e.Status.Code != cqrpc.CodeUnknown {
		t.Errorf("Errorf(CodeOK) has code %v, want UNKNOWN", e.Status.Code)
	}
}

func TestErrorMatchesContextErrorsByCode(t *testing.T) {
	for _, test := range []struct {
		code               cqrpc.Code
		deadline, canceled bool
	}{
		{cqrpc.CodeDeadlineExceeded, true, false},
		{cqrpc.CodeCanceled, false, true},
		{cqrpc.CodeUnavailable, false, false},
	} {
		err := fmt.Errorf("fetching: %w", cqrpc.Errorf(test.code, "x"))
		if got := errors.Is(err, context.DeadlineExceeded); got != test.deadline {
			t.Errorf("%v is DeadlineExceeded: %v, want %v", test.code, got, test.deadline)
		}
		if got := errors.Is(err, context.Canceled); got != test.canceled {
			t.Errorf("%v is Canceled: %v, want %v", test.code, got, test.canceled)
		}
	}
}

func TestStatusOf(t *testing.T) {
	inner := cqrpc.Errorf(cqrpc.CodeNotFound, "no such user")
	for _, test := range []struct {
		name    string
		err     error
		code    cqrpc.Code
		message string
	}{
		{"nil", nil, cqrpc.CodeOK, ""},
		{"an Error", inner, cqrpc.CodeNotFound, "no such user"},
		{"a wrapped Error", fmt.Errorf("get: %w", inner), cqrpc.CodeNotFound, "no such user"},
		{"a joined Error", errors.Join(io.EOF, inner), cqrpc.CodeNotFound, "no such user"},
		{"the outer of two Errors", cqrpc.Errorf(cqrpc.CodeAborted, "gave up: %w", inner),
			cqrpc.CodeAborted, "gave up: NOT_FOUND: no such user"},
		{"deadline", context.DeadlineExceeded, cqrpc.CodeDeadlineExceeded, "context deadline exceeded"},
		{"wrapped cancel", fmt.Errorf("read: %w", context.Canceled), cqrpc.CodeCanceled, "read: context canceled"},
		{"anything else", io.ErrNoProgress, cqrpc.CodeUnknown, "multiple Read calls return no data or error"},
		{"an Error that says OK", &cqrpc.Error{Status: cqrpc.Status{Message: "odd"}}, cqrpc.CodeUnknown, "odd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := cqrpc.StatusOf(test.err)
			if got.Code != test.code || got.Message != test.message {
				t.Errorf("StatusOf = %v, want %v: %s", got, test.code, test.message)
			}
			if code := cqrpc.CodeOf(test.err); code != test.code {
				t.Errorf("CodeOf = %v, want %v", code, test.code)
			}
		})
	}
}

func TestStatusErr(t *testing.T) {
	if err := (cqrpc.Status{Message: "ignored"}).Err(); err != nil {
		t.Errorf("OK status gives %v, want nil", err)
	}
	err := cqrpc.Status{Code: cqrpc.CodeAborted, Message: "conflict"}.Err()
	e, ok := errors.AsType[*cqrpc.Error](err)
	if !ok {
		t.Fatalf("Err() = %T, want *cqrpc.Error", err)
	}
	if e.Origin != cqrpc.OriginRemote {
		t.Errorf("origin = %v, want remote", e.Origin)
	}
	if got := cqrpc.StatusOf(err); got.Code != cqrpc.CodeAborted || got.Message != "conflict" {
		t.Errorf("status came back as %v", got)
	}
}

func TestOriginString(t *testing.T) {
	for origin, want := range map[cqrpc.Origin]string{
		cqrpc.OriginLocal:     "local",
		cqrpc.OriginRemote:    "remote",
		cqrpc.OriginTransport: "transport",
		9:                     "Origin(9)",
	} {
		if got := origin.String(); got != want {
			t.Errorf("Origin(%d).String() = %q, want %q", uint8(origin), got, want)
		}
	}
}

func ExampleErrorf() {
	err := fmt.Errorf("loading profile: %w", cqrpc.Errorf(cqrpc.CodeNotFound, "no user %q", "ann"))
	fmt.Println(err)
	fmt.Println(cqrpc.CodeOf(err), cqrpc.StatusOf(err).Message)
	// Output:
	// loading profile: NOT_FOUND: no user "ann"
	// NOT_FOUND no user "ann"
}

func BenchmarkStatusOfWrappedError(b *testing.B) {
	err := fmt.Errorf("get: %w", cqrpc.Errorf(cqrpc.CodeNotFound, "no such user"))
	b.ReportAllocs()
	for b.Loop() {
		if cqrpc.StatusOf(err).Code != cqrpc.CodeNotFound {
			b.Fatal("wrong code")
		}
	}
}
