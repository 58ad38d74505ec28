package cqrpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Origin says who decided that a call failed. The code alone does not: a
// CANCELLED may come from the peer or from our own caller.
type Origin uint8

const (
	// OriginLocal: this process decided, by cancel, deadline, limit or its own
	// code. It is the zero value.
	OriginLocal Origin = iota
	// OriginRemote: the peer sent this status.
	OriginRemote
	// OriginTransport: the connection was lost, refused or broke the protocol,
	// and the code was derived from that.
	OriginTransport
)

// String returns "local", "remote" or "transport".
func (o Origin) String() string {
	switch o {
	case OriginLocal:
		return "local"
	case OriginRemote:
		return "remote"
	case OriginTransport:
		return "transport"
	}
	return fmt.Sprintf("Origin(%d)", uint8(o))
}

// Error is a failed call as a Go error: a status that is not OK, who decided
// it, and the error behind it if there is one. Every error that a call returns
// is or wraps one, so that
//
//	if e, ok := errors.AsType[*cqrpc.Error](err); ok && e.Origin == cqrpc.OriginRemote { ... }
//	switch cqrpc.CodeOf(err) { case cqrpc.CodeNotFound: ... }
//	if errors.Is(err, context.DeadlineExceeded) { ... }
//
// all work on it, however deeply the application wrapped it. An Error is
// read-only once returned.
type Error struct {
	Status Status
	Origin Origin
	// Cause stays in this process; only Status travels. May be nil. In the error of a call
	// [errors.Is] does not find io.EOF: of a stream's errors that is the good end.
	Cause error
}

// Errorf returns an error of OriginLocal whose message is formatted as by
// [fmt.Errorf]. An error formatted by %w becomes the Cause, several of them a
// Cause that unwraps to all. The code of success is no error: CodeOK is
// replaced by CodeUnknown.
func Errorf(code Code, format string, args ...any) *Error {
	if code == CodeOK {
		code = CodeUnknown
	}
	err := fmt.Errorf(format, args...)
	e := &Error{Status: Status{Code: code, Message: err.Error()}}
	switch w := err.(type) { //nolint:errorlint // what Errorf wraps, not what that wraps
	case interface{ Unwrap() error }:
		e.Cause = w.Unwrap()
	case interface{ Unwrap() []error }:
		e.Cause = err
	}
	return e
}

// Error returns the code and the message, "NOT_FOUND: no such user", followed
// by the cause unless the message quotes it already.
func (e *Error) Error() string {
	text := e.Status.Code.String()
	if e.Status.Message != "" {
		text += ": " + e.Status.Message
	}
	if e.Cause == nil {
		return text
	}
	if !quotes(e.Status.Message, e.Cause) {
		text += ": " + e.Cause.Error()
	}
	return text
}

// quotes reports whether message has the text of err, or, of several errors that err
// joins, the text of each.
func quotes(message string, err error) bool {
	if strings.Contains(message, err.Error()) {
		return true
	}
	all, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return false
	}
	parts := all.Unwrap()
	for _, part := range parts {
		if !quotes(message, part) {
			return false
		}
	}
	return len(parts) > 0
}

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e *Error) Unwrap() error { return e.Cause }

// Is makes the two context errors match by code, whoever decided: a caller that
// asks "was it the deadline?" should not need to know which side's clock won.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Status.Code == CodeDeadlineExceeded
	case context.Canceled:
		return e.Status.Code == CodeCanceled
	}
	return false
}

// StatusOf returns the status err stands for: OK for nil; that of the first
// [*Error] in its tree; CANCELLED or DEADLINE_EXCEEDED for the errors of a
// context; and UNKNOWN with the text of anything else. It never turns a non-nil
// error into OK.
func StatusOf(err error) Status {
	if err == nil {
		return Status{}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Status.Code == CodeOK {
			return Status{Code: CodeUnknown, Message: e.Status.Message}
		}
		return e.Status
	}
	code := CodeUnknown
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = CodeDeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = CodeCanceled
	}
	return Status{Code: code, Message: err.Error()}
}

// CodeOf returns the code of [StatusOf].
func CodeOf(err error) Code { return StatusOf(err).Code }
