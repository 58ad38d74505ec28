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
	dst = slices.Grow(dst, atMost(max, firstGuess*packed+minRead))
	for got := 0; ; {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, room(len(dst), got, max))
		}
		free := dst[len(dst):cap(dst)]
		if max >= 0 {
			free = free[:atMost(max-got, len(free))]
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

// room is how much a message of have bytes gets that has outgrown what it had, when got of max have come: as
// much again, because append grows large slices by a quarter only, and a bomb would be copied five times over.
func room(have, got, max int) int {
	if max >= 0 {
		return minRead + atMost(max-got, have)
	}
	return minRead + have
}

// atMost is n, or one more than limit, unless limit is negative; the greatest int is a limit, too.
func atMost(limit, n int) int {
	if limit >= 0 && n-1 > limit {
		return limit + 1
	}
	return n
}

// appender is the slice that a writer compresses into.
type appender struct{ out []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.out = append(a.out, p...)
	return len(p), nil
}
