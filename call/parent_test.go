package call

import (
	"testing"

	"github.com/cqrpc/cqrpc"
)

// A child of a parent that is over, and that never had another, is cancelled when it is made.
func TestChildOfAParentThatIsOver(t *testing.T) {
	parent := newServerRig(t, Config{})
	parent.closed(lost)
	child := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Parent = parent.c })
	var st cqrpc.Status
	child.start("st", RecvStatus(&st, nil))
	child.want("it is over", "st")
	if st.Code != cqrpc.CodeCanceled {
		t.Errorf("status %v", st)
	}
}
