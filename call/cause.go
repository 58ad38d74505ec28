package call

import (
	"errors"
	"io"
)

// causeOf returns err as a cause of a call's end, in which errors.Is does not find io.EOF. To whoever
// receives from a stream io.EOF is the regular end of the messages (see transport.ErrPeerClosed), but in
// err it is the end of something that a dialer, a TLS handshake, a codec or a filter was reading.
func causeOf(err error) error {
	if errors.Is(err, io.EOF) {
		return notEOF{err}
	}
	return err
}

// notEOF is an error with io.EOF somewhere in its tree, which matches all but that.
type notEOF struct{ error }

func (e notEOF) Is(target error) bool { return target != io.EOF && errors.Is(e.error, target) }
func (e notEOF) As(target any) bool   { return errors.As(e.error, target) }

// joined is errors that the message of the status already describes, in its own words.
type joined struct {
	message string
	errs    error // of errors.Join
}

func (e joined) Error() string { return e.message }
func (e joined) Unwrap() error { return e.errs }
