package ledger_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/ledger"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// What came twice, never, or under another's name, is found.
func TestBookFindsWhatIsWrong(t *testing.T) {
	ch, err := client.NewChannel("passthrough:///nowhere", client.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	var b ledger.Book
	k := ch.NewCall(cq.New(), "/a/B")
	open, err := b.Start(k, "call", call.RecvMessage(new(*call.Buffer)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(k, "call", call.RecvMessage(new(*call.Buffer))); err == nil {
		t.Fatal("a second read was accepted")
	}
	if err := b.Audit(); err == nil || !strings.Contains(err.Error(), "has not come back") {
		t.Errorf("of an open batch: %v", err)
	}
	k.Cancel()
	open.Wait()
	k.Close()
	if err := b.Audit(); err != nil {
		t.Errorf("nothing is wrong: %v", err)
	}
	open.Complete(cq.Completion{})
	err = b.Wrong()
	for _, want := range []string{"came 2 times", "came with the tag <nil>"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of a tag that came twice: %v", err)
		}
	}
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
}

// The client and the server of this package speak all shapes.
func TestParity(t *testing.T) {
	for i := range parity.Scenarios {
		s := &parity.Scenarios[i]
		if !slices.Contains([]string{
			"empty_unary", "calls_one_after_the_other", "large_unary", "server_streaming", "client_streaming",
			"ping_pong", "empty_stream_ends_OK", "server_goes_on_after_the_half_close",
		}, s.Name) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			var b ledger.Book
			t.Cleanup(func() {
				if err := b.Audit(); err != nil {
					t.Error(err)
				}
				t.Log(&b)
			})
			s.Run(t, &parity.Pairing{Caller: ledger.CallerKind(&b), Host: ledger.HostKind(&b)})
		})
	}
}
