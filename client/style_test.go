package client

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
)

// A style brings the memory of a call; one that asks for nothing beside takes no more.
func TestPrepareAllocatesNothing(t *testing.T) {
	ch, err := NewChannel("127.0.0.1:1", WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	const runs = 100
	var memory [runs + 1]Prepared // AllocsPerRun warms up with one more
	next := 0
	if n := testing.AllocsPerRun(runs, func() {
		ch.Prepare(context.Background(), &memory[next], cq.Discard, unaryMethod.Name, true)
		next++
	}); n != 0 {
		t.Errorf("a call of a style allocates %v times", n)
	}
	for i := range memory {
		memory[i].Call.Cancel()
	}
}
