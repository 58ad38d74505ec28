package transport

import "time"

// elders knows which of the peer's streams were opened at least a quarter of a second ago,
// without a time for each: identifiers ascend, so it is enough to note now and then the
// highest. Some streams are recognised late, by up to as much again. Reader only.
type elders struct {
	id     uint32 // streams up to it are old
	marked uint32 // streams up to it will be, when elderAge has passed since mark
	mark   uint32 // when marked was noted, in elderUnit
	seen   uint32 // the time of the latest tick, in elderUnit
}

const (
	elderUnit = instant(time.Second / 64) // 32 bits of it are two years
	elderAge  = 17                        // in elderUnit: at least a quarter of a second
)

// tick notes that streams up to last were opened before at.
func (e *elders) tick(at instant, last uint32) {
	t := uint32(at / elderUnit) //nolint:gosec // see elderUnit
	switch {
	case t-e.seen >= elderAge: // none since
		e.id, e.marked, e.mark = last, last, t
	case t-e.mark >= elderAge:
		e.id, e.marked, e.mark = e.marked, last, t
	}
	e.seen = t
}

func (e *elders) has(id uint32) bool { return id <= e.id }
