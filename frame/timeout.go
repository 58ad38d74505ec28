package frame

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// maxTimeoutDigits is how many digits a TimeoutValue may have, and
// maxTimeoutValue the largest of them (gRPC over HTTP/2, Timeout).
const (
	maxTimeoutDigits = 8
	maxTimeoutValue  = 1e8 - 1
)

// timeoutUnits are the TimeoutUnits, finest first.
var timeoutUnits = [...]struct {
	letter byte
	length time.Duration
}{
	{'n', time.Nanosecond},
	{'u', time.Microsecond},
	{'m', time.Millisecond},
	{'S', time.Second},
	{'M', time.Minute},
	{'H', time.Hour},
}

// AppendTimeout appends d as a grpc-timeout value: rounded up to three significant
// digits, as C-core does, so that calls with the same time limit have the same
// header block though each has used up some of it; and up, because a server must
// not give up before its client. It is in the coarsest unit that is exact, or else
// in the finest of which eight digits are enough. A d of 0 or less becomes "1n", the
// least that can be said.
func AppendTimeout(dst []byte, d time.Duration) []byte {
	d = roundUp(max(d, 1))
	best := -1
	for i, u := range timeoutUnits {
		if best >= 0 && d%u.length != 0 {
			break
		}
		if ceilDiv(d, u.length) <= maxTimeoutValue {
			best = i
		}
	}
	u := timeoutUnits[best] // hours are enough for any Duration
	dst = strconv.AppendInt(dst, ceilDiv(d, u.length), 10)
	return append(dst, u.letter)
}

// roundUp rounds up to three significant digits, if that is a Duration.
func roundUp(d time.Duration) time.Duration {
	step := time.Duration(1)
	for d/step >= 1000 {
		step *= 10
	}
	if d > math.MaxInt64-step {
		return d
	}
	return (d + step - 1) / step * step
}

func ceilDiv(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}

// ParseTimeout reads a grpc-timeout value: one to eight digits and a unit, H,
// M, S, m, u or n. What exceeds a Duration, about 292 years, becomes the
// largest one. Anything else is an error that names the value: a deadline
// that cannot be read is not one that can be ignored.
func ParseTimeout(s string) (time.Duration, error) {
	n := len(s) - 1
	if n < 1 || n > maxTimeoutDigits {
		return 0, timeoutError(s)
	}
	var value int64
	for i := range n {
		if !isDigit(s[i]) {
			return 0, timeoutError(s)
		}
		value = value*10 + int64(s[i]-'0')
	}
	for _, u := range timeoutUnits {
		if u.letter != s[n] {
			continue
		}
		if value > math.MaxInt64/int64(u.length) {
			return math.MaxInt64, nil
		}
		return time.Duration(value) * u.length, nil
	}
	return 0, timeoutError(s)
}

func timeoutError(s string) error {
	return fmt.Errorf("malformed grpc-timeout %s: want 1 to 8 digits and one of H, M, S, m, u, n", quoted([]byte(s)))
}
