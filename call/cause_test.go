package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
)

// A cause matches all that is in it, except io.EOF.
func TestCauseOf(t *testing.T) {
	inner := &net.OpError{Op: "read", Err: io.EOF}
	cause := causeOf(fmt.Errorf("dial: %w", errors.Join(inner, context.Canceled)))
	if errors.Is(cause, io.EOF) {
		t.Error("io.EOF is found: whoever receives takes it for the end of the messages")
	}
	if !errors.Is(cause, context.Canceled) {
		t.Error("context.Canceled is not found")
	}
	if found, ok := errors.AsType[*net.OpError](cause); !ok || found != inner {
		t.Errorf("AsType finds %v", found)
	}
	if err := errors.New("x"); causeOf(err) != err {
		t.Error("an error without io.EOF is changed")
	}
}
