package future_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// A Flush beside a SendFrom is resolved when what it has found is taken, or with
// the SendFrom.
func TestFlushBesideSendFrom(t *testing.T) {
	var k keep
	play(t, handlers(k.bidi()), func(s *scene) {
		p := s.peer(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for i := range 100 {
			id := uint32(2*i + 1)
			p.Request(id, bidi.Name)
			synctest.Wait()
			var flushed []*future.Future[struct{}]
			var beside sync.WaitGroup
			begun := make(chan struct{}) // so that both go on at the same time
			beside.Go(func() {
				close(begun)
				for range 1000 {
					flushed = append(flushed, k.sink.Flush())
				}
			})
			<-begun
			sent := k.sink.SendFrom(future.Values([]*text{wrapperspb.String("a")}))
			beside.Wait()
			wantPending(s, "there is no window", sent)
			p.WriteWindowUpdate(id, 100)
			wantResolved(s, "sent", sent)
			for _, f := range flushed {
				wantResolved(s, "flushed", f)
			}
			k.sink.Cancel()
			p.Until("the end", func(f h2peer.Frame) bool { return f.Type == http2.FrameRSTStream })
		}
	})
}
