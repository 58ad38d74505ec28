package server

import (
	"fmt"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
)

// hostScene is a matcher of a server with three queues, and the lane of a connection.
type hostScene struct {
	*testing.T
	queues [3]*cq.Queue
	m      *matcher
	lane   cq.Lane
}

func newHostScene(t *testing.T, opts ...Option) *hostScene {
	t.Helper()
	s := New(opts...)
	x := &hostScene{T: t}
	for i := range x.queues {
		x.queues[i] = cq.New()
		if err := s.AddQueue(x.queues[i]); err != nil {
			t.Fatal(err)
		}
	}
	m, err := s.RegisterMethod("/a/B", PayloadNone)
	if err != nil {
		t.Fatal(err)
	}
	x.m = m.matcher
	return x
}

// ask lets requests of these queues wait.
func (x *hostScene) ask(queues ...int) {
	for _, i := range queues {
		x.m.lineup.addRequest(&request{queue: i})
	}
}

// offer offers a call of a connection that is at home with a queue, and returns the
// queue whose request it gets.
func (x *hostScene) offer(home int) int {
	x.Helper()
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	r := x.m.lineup.takeRequest(x.m.firstQueueLocked(&arrival{home: home}, &x.lane))
	if r == nil {
		x.Fatal("no request waits")
	}
	return r.queue
}

// TestCallsThatPollersRead: a call that a poller has read goes to its own queue if that
// has a request, for nobody has to be woken then, and else to the next that has. If the
// poller is that of a queue of another server, calls go round.
func TestCallsThatPollersRead(t *testing.T) {
	const nobody, stranger = -1, -2
	for _, tc := range []struct {
		name string
		host int
		opts []Option
		want []int // of calls at home with queue 1; each queue has two requests
	}{
		{"the reader", nobody, nil, []int{0, 1, 2, 0, 1, 2}},
		{"a poller of the first queue", 0, nil, []int{0, 0, 1, 1, 2, 2}},
		{"a poller of the last queue", 2, nil, []int{2, 2, 0, 0, 1, 1}},
		{"a poller of no queue of the server", stranger, nil, []int{0, 1, 2, 0, 1, 2}},
		{"a poller, at home elsewhere", 0, []Option{WithHomeQueue()}, []int{1, 1, 2, 2, 0, 0}},
		{"a poller, at home", 1, []Option{WithHomeQueue()}, []int{1, 1, 2, 2, 0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newHostScene(t, tc.opts...)
			switch tc.host {
			case nobody:
			case stranger:
				x.lane.SetHost(cq.New())
			default:
				x.lane.SetHost(x.queues[tc.host])
			}
			x.ask(0, 1, 2, 0, 1, 2)
			var got []int
			for range tc.want {
				got = append(got, x.offer(1))
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("calls went to %v; want %v", got, tc.want)
			}
		})
	}
}

// What pollers read moves the turn of the others on, as any call does.
func TestTurnAfterAPollersCall(t *testing.T) {
	x := newHostScene(t)
	x.ask(0, 1, 2, 0, 1, 2)
	for i, step := range []struct {
		host *cq.Queue
		want int
	}{{x.queues[1], 1}, {nil, 2}, {x.queues[1], 1}, {nil, 2}, {nil, 0}, {x.queues[1], 0}} {
		x.lane = cq.Lane{}
		if step.host != nil {
			x.lane.SetHost(step.host)
		}
		if got := x.offer(0); got != step.want {
			t.Errorf("call %d: queue %d; want %d", i, got, step.want)
		}
	}
}
