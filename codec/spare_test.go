package codec_test

import (
	"bytes"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/gen/refillpb"
)

func reusing() codec.Reclaimer { return codec.ProtoReusing().(codec.Reclaimer) }

// Memory that was reclaimed from one message holds the next one that is large enough.
func TestReclaimedMemoryHoldsTheNextMessage(t *testing.T) {
	c := reusing()
	large, small := wireOf(fullParcel(5000)), wireOf(fullParcel(10))
	found := false
	for range 100 { // a pool may lose what is put there, and under the race detector does so now and then
		first, second, third := new(refillpb.Parcel), new(refillpb.Parcel), new(refillpb.Parcel)
		unmarshal(t, c, large, first)
		body := first.GetBody()
		c.Reclaim(first)
		if proto.Size(first) != 0 {
			t.Fatalf("after Reclaim there is %d bytes in the message", proto.Size(first))
		}
		unmarshal(t, c, small, second) // which gets none of it
		unmarshal(t, c, large, third)
		if !proto.Equal(third, fullParcel(5000)) || !proto.Equal(second, fullParcel(10)) {
			t.Fatal("not what was sent")
		}
		if isSame(second.GetBody(), body) {
			t.Fatal("a small message got memory that a large one needs")
		}
		found = found || isSame(third.GetBody(), body)
	}
	if !found {
		t.Error("in 100 rounds no memory was used again")
	}
}

func unmarshal(t *testing.T, c codec.Codec, data []byte, m proto.Message) {
	t.Helper()
	if err := c.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
}

func isSame(a, b []byte) bool { return len(a) > 0 && len(b) > 0 && &a[0] == &b[0] }

// What has little memory keeps it, and what is in it.
func TestReclaimLeavesSmallMessages(t *testing.T) {
	c, m := reusing(), new(refillpb.Parcel)
	unmarshal(t, c, wireOf(fullParcel(100)), m)
	body := m.GetBody()
	c.Reclaim(m)
	if !proto.Equal(m, fullParcel(100)) {
		t.Errorf("after Reclaim: %v", m)
	}
	unmarshal(t, c, wireOf(fullParcel(90)), m)
	if !isSame(m.GetBody(), body) {
		t.Error("a small message has lost its memory")
	}
}

// Proto leaves the memory to the collector: who has kept some of it keeps it.
func TestProtoReclaimsForTheCollector(t *testing.T) {
	c, large := codec.Proto().(codec.Reclaimer), wireOf(fullParcel(5000))
	for range 20 {
		m, next := new(refillpb.Parcel), new(refillpb.Parcel)
		unmarshal(t, c, large, m)
		body := m.GetBody()
		c.Reclaim(m)
		if proto.Size(m) != 0 {
			t.Fatal("a message that waits holds memory")
		}
		unmarshal(t, c, large, next)
		if isSame(next.GetBody(), body) || !bytes.Equal(body, fullParcel(5000).GetBody()) {
			t.Fatal("the memory was used again")
		}
	}
	small := fullParcel(10)
	c.Reclaim(small)
	if !proto.Equal(small, fullParcel(10)) {
		t.Error("a small message has changed")
	}
}

// Values in which there is nothing to reclaim are left alone.
func TestReclaimOfOtherValues(t *testing.T) {
	c := reusing()
	text := "no message"
	for _, v := range []any{nil, 7, text, &text, []byte("bytes"), (*refillpb.Parcel)(nil), new(refillpb.Parcel)} {
		c.Reclaim(v)
	}
	for _, m := range append(reused(), dynamic()) {
		c.Reclaim(m)
	}
	opaque := new(refillpb.Opaque)
	opaque.SetBody(make([]byte, 5000))
	c.Reclaim(opaque)
	if len(opaque.GetBody()) != 5000 {
		t.Error("a message of the Opaque API was emptied: Unmarshal could not use its memory")
	}
}

// Whatever message the memory comes from, the next one is what protobuf-go makes of the same bytes.
func TestReclaimThenRefillIsUnmarshal(t *testing.T) {
	c := reusing()
	large := wireOf(fullParcel(5000))
	for after, second := range contents() {
		t.Run(after, func(t *testing.T) {
			for range 5 { // see above
				m := new(refillpb.Parcel)
				unmarshal(t, c, large, m)
				c.Reclaim(m)
				checkRefill(t, m, second)
				checkRefill(t, m, append(bytes.Clone(second), large...))
				checkRefill(t, new(refillpb.Parcel), large)
			}
		})
	}
}

// No two messages get the same memory.
func TestReclaimConcurrently(t *testing.T) {
	c := reusing()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			m, want := new(refillpb.Parcel), fullParcel(4000+i)
			data := wireOf(want)
			for range 200 {
				if err := c.Unmarshal(data, m); err != nil || !proto.Equal(m, want) {
					t.Errorf("message %d: %v", i, err)
					return
				}
				c.Reclaim(m)
			}
		})
	}
	all.Wait()
}
