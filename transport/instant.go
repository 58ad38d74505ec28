package transport

import "time"

// instant is a time by the monotonic clock: a time.Time that fits an atomic.Int64. It is zero
// for none, and never for now.
type instant int64

var processBegan = time.Now().Add(-1)

func now() instant                        { return instant(time.Since(processBegan)) }
func (t instant) duration() time.Duration { return time.Duration(t) }
func (t instant) time() time.Time         { return processBegan.Add(time.Duration(t)) }
