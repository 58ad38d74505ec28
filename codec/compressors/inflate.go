package compressors

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cqrpc/cqrpc/codec"
)

// firstGuess is how many times its size a message is expected to inflate to, at
// first. A peer's word for it is not taken.
const firstGuess = 4

// minRead is the least that is asked of a reader, in bytes.
const minRead = 512

func errTooLarge(max int) error { return fmt.Errorf("%w of %d bytes", codec.ErrTooLarge, max) }

// inflate appends what r yields to dst, max bytes at most; packed is how many
// bytes r has it from. A message at the limit is told from one past it by
// reading one byte more.
func inflate(dst []byte, r io.Reader, packed, max int) ([]byte, error) {
	guess := firstGuess*packed + minRead
	if max >= 0 {
		guess = min(guess, max+1)
	}
	dst = slices.Grow(dst, guess)
	for got := 0; ; {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, minRead)
		}
		free := dst[len(dst):cap(dst)]
		if max >= 0 && len(free)-1 > max-got {
			free = free[:max-got+1]
		}
		n, err := r.Read(free)
		dst, got = dst[:len(dst)+n], got+n
		switch {
		case max >= 0 && got > max:
			return nil, errTooLarge(max)
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return nil, err
		}
	}
}

// appender is the slice that a writer compresses into.
type appender struct{ out []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.out = append(a.out, p...)
	return len(p), nil
}
