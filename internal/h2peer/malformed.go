package h2peer

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// errMalformed marks bytes of the subject that are not HTTP/2 at all; no want
// is satisfied by them, not even WantClosed.
var errMalformed = errors.New("malformed bytes from the subject")

// malformed tells a framing error from the end of the connection.
func malformed(err error) error {
	var ce http2.ConnectionError
	var se http2.StreamError
	if errors.As(err, &ce) || errors.As(err, &se) || errors.Is(err, http2.ErrFrameTooLarge) {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return err
}
