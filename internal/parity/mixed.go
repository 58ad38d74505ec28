package parity

import (
	"net"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/cq/future"
)

// mixed is a server of all styles at once: its methods are dealt out to them,
// with each turn to the next.
func mixed(turn int) HostKind {
	names := []string{"batch", "sync", "queue", "reactor", "future"}
	serve := func(t *testing.T, lis net.Listener, c *Credentials, s Serving) (drain, stop func()) {
		srv := NewServer(c, s)
		batch := &desk{server: srv, queues: newQueues()}
		queue := &queueDesk{server: srv, queues: newQueues()}
		futures := &futureDesk{environment: future.NewEnvironment(pollers)}
		work := new(sync.WaitGroup)
		for i, r := range s.all() {
			switch names[(i+turn)%len(names)] {
			case "batch":
				Want(t, "onBatch", r.onBatch(batch))
			case "queue":
				Want(t, "onQueue", r.onQueue(queue))
			case "sync":
				Want(t, "Register", srv.Register(r.onSync()))
			case "reactor":
				Want(t, "Register", srv.Register(r.onReactor(work)))
			case "future":
				Want(t, "Register", srv.Register(r.onFuture(futures)))
			}
		}
		Want(t, "start", batch.start())
		Want(t, "start", queue.start())
		return Run(t, srv, lis, func() {
			batch.work.Wait()
			queue.work.Wait()
			work.Wait()
			if err := futures.close(); err != nil {
				t.Error(err)
			}
		})
	}
	return HostKind{Name: "mixed_" + names[turn%len(names)] + "_first", Serve: serve}
}
