package call

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
)

// reclaimer notes what it could take memory from, and empties it.
type reclaimer struct {
	textCodec
	seen *[]any
}

var _ codec.Reclaimer = reclaimer{}

func (k reclaimer) Reclaim(v any) {
	*k.seen = append(*k.seen, v)
	if s, ok := v.(*string); ok {
		*s = ""
	}
}

// Append marshals a pointer, too, so that the same value can be sent and received into.
func (k reclaimer) Append(dst []byte, v any) ([]byte, error) {
	if s, ok := v.(*string); ok {
		v = *s
	}
	return k.textCodec.Append(dst, v)
}

// A value that waits for a message is offered to the codec, unless the message before it was small:
// of the first nothing is known.
func TestReclaim(t *testing.T) {
	var seen []any
	var values [5]string
	r := newServerRig(t, Config{Settings: NewSettings(Settings{Codec: reclaimer{seen: &seen}})})
	for i, size := range []int{4096, 10, 10, 5000, 0} {
		r.start("received", RecvNext(&values[i]))
		r.data(wire(strings.Repeat("x", size)), false)
		r.want("a message", "received")
		if len(values[i]) != size {
			t.Errorf("message %d has %d bytes, want %d", i, len(values[i]), size)
		}
	}
	want := []any{&values[0], &values[1], &values[4]}
	if !slices.Equal(seen, want) {
		t.Errorf("offered were %v, want %v", seen, want)
	}
}

// A message that is the next to be received into can be sent by the same batch.
func TestReclaimAfterSending(t *testing.T) {
	var seen []any
	r := newServerRig(t, Config{Settings: NewSettings(Settings{Codec: reclaimer{seen: &seen}})})
	value := "both"
	r.start("both", RecvNext(&value), SendInitialMetadata(nil), SendValue(&value))
	r.data(wire("answer"), false)
	r.accept()
	r.want("both are done", "both")
	if got := r.server.messages; len(got) != 1 || got[0] != wire("both") || value != "answer" || len(seen) != 1 {
		t.Errorf("sent %q, received %q, reclaimed %d times", got, value, len(seen))
	}
}

// A batch that is refused takes nothing from its value.
func TestNothingIsReclaimedOfARefusedBatch(t *testing.T) {
	var seen []any
	r := newServerRig(t, Config{Settings: NewSettings(Settings{Codec: reclaimer{seen: &seen}})})
	first, second := "first", "second"
	r.start("first", RecvNext(&first))
	if err := r.c.StartBatch([]Op{RecvNext(&second)}, "second"); err == nil {
		t.Error("two receives at a time were accepted")
	}
	if err := r.c.StartBatch([]Op{SendInitialMetadata(nil), SendValue("bad")}, "bad"); err == nil {
		t.Error("a message that cannot be marshalled was accepted")
	}
	if second != "second" || !slices.Equal(seen, []any{&first}) {
		t.Errorf("second is %q, offered were %v", second, seen)
	}
	r.data(wire("m"), false)
	r.want("the message", "first")
}

// A goroutine that waits for a message keeps the one before if there is none.
func TestNothingIsReclaimedForAWaiter(t *testing.T) {
	var seen []any
	r := newServerRig(t, Config{Settings: NewSettings(Settings{Codec: reclaimer{seen: &seen}})})
	var w cq.Waiter
	value, got := "last", true
	if err := r.c.StartBatchOn(&w, []Op{RecvValue(&value, &got)}, nil); err != nil {
		t.Fatal(err)
	}
	r.data("", true)
	r.lane.Flush()
	w.Wait(context.Background())
	if value != "last" || got || len(seen) > 0 {
		t.Errorf("%q, %v, reclaimed %d times", value, got, len(seen))
	}
}
