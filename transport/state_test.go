package transport

import (
	"fmt"
	"strings"
	"testing"
)

// drawing is the arrows of the comment on streamState; every other event leaves
// a state as it is or is illegal there.
var drawing = map[streamState]map[streamEvent]streamState{
	idle:             {sendHeaders: opened, recvHeaders: opened, reset: ended},
	opened:           {sendEnd: halfClosedLocal, recvEnd: halfClosedRemote, reset: ended},
	halfClosedLocal:  {recvEnd: ended, reset: ended},
	halfClosedRemote: {sendEnd: ended, reset: ended},
	ended:            {},
}

const printedTable = `
idle: sendHeaders->open sendEnd->! recvHeaders->open recvEnd->! reset->closed
open: sendHeaders->= sendEnd->half-closed (local) recvHeaders->= recvEnd->half-closed (remote) reset->closed
half-closed (local): sendHeaders->! sendEnd->! recvHeaders->= recvEnd->closed reset->closed
half-closed (remote): sendHeaders->= sendEnd->closed recvHeaders->! recvEnd->! reset->closed
closed: sendHeaders->! sendEnd->! recvHeaders->! recvEnd->! reset->=
`

func printTable() string {
	var b strings.Builder
	for s := range numStreamStates {
		fmt.Fprintf(&b, "%v:", s)
		for e := range numStreamEvents {
			switch next := streamTable[s][e]; next {
			case illegal:
				fmt.Fprintf(&b, " %v->!", e)
			case s:
				fmt.Fprintf(&b, " %v->=", e)
			default:
				fmt.Fprintf(&b, " %v->%v", e, next)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestStreamTableReadsAsPrinted(t *testing.T) {
	if got, want := printTable(), strings.TrimPrefix(printedTable, "\n"); got != want {
		t.Errorf("table:\n%swant:\n%s", got, want)
	}
}

func TestStreamTableIsTheDrawing(t *testing.T) {
	for s := range numStreamStates {
		for e := range numStreamEvents {
			next := streamTable[s][e]
			want, isDrawn := drawing[s][e]
			switch {
			case isDrawn && next != want:
				t.Errorf("%v in %v leads to %v; the drawing says %v", e, s, next, want)
			case !isDrawn && next != s && next != illegal:
				t.Errorf("%v in %v leads to %v; the drawing has no such arrow", e, s, next)
			}
		}
	}
}

func TestStreamStateMoves(t *testing.T) {
	for s := range numStreamStates {
		for e := range numStreamEvents {
			got := s
			ok := got.on(e)
			if want := streamTable[s][e]; ok != (want != illegal) || ok && got != want || !ok && got != s {
				t.Errorf("%v on %v: %v, %v", s, e, got, ok)
			}
		}
	}
}

func TestStreamStateMustPanics(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "BUG: ") {
			t.Errorf("recovered %v", r)
		}
	}()
	s := ended
	s.must(sendHeaders)
}

// TestStreamStateSides: what may be received follows from what may be sent by
// the other side.
func TestStreamStateSides(t *testing.T) {
	for s := range numStreamStates {
		_, canEnd := drawing[s][recvEnd]
		if s.canRecv() != canEnd {
			t.Errorf("%v: canRecv %v", s, s.canRecv())
		}
		_, canEnd = drawing[s][sendEnd]
		if s.canSend() != canEnd {
			t.Errorf("%v: canSend %v", s, s.canSend())
		}
	}
}

func TestConnStateNeverGoesBack(t *testing.T) {
	for from := handshaking; from <= closed; from++ {
		for to := handshaking; to <= closed; to++ {
			panicked := func() (p bool) {
				defer func() { p = recover() != nil }()
				s := from
				s.to(to)
				return
			}()
			if panicked != (to < from) {
				t.Errorf("%v -> %v: panicked %v", from, to, panicked)
			}
		}
	}
}
