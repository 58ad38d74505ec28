package call

import (
	"errors"
	"io"
)

// causeOf returns err as a cause of a call's end, in which io.EOF is not found. To who receives from a
// stream that is the good end of the messages (see transport.ErrPeerClosed), and a dialer, a TLS
// handshake, a codec or a filter may have met the end of something else.
func causeOf(err error) error {
	if errors.Is(err, io.EOF) {
		return noEnd{err}
	}
	return err
}

// noEnd is an error with io.EOF somewhere in its tree, which matches all but that.
type noEnd struct{ error }

func (e noEnd) Is(target error) bool { return target != io.EOF && errors.Is(e.error, target) }
func (e noEnd) As(target any) bool   { return errors.As(e.error, target) }

// joined is errors of which the status's message tells already, in its words and not in theirs.
type joined struct {
	message string
	errs    error // of errors.Join
}

func (e joined) Error() string { return e.message }
func (e joined) Unwrap() error { return e.errs }
