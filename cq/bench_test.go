package cq_test

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
)

// tag is pointer-shaped, as recommended, so storing it does not allocate.
var tag = new(int)

func BenchmarkQueueCycle(b *testing.B) {
	q, ctx := cq.New(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		q.Begin()
		q.Complete(cq.Completion{Tag: tag, OK: true})
		q.Next(ctx)
	}
}

func BenchmarkBegin(b *testing.B) {
	q := cq.New()
	b.ReportAllocs()
	for b.Loop() {
		q.Begin()
	}
}

func BenchmarkBeginParallel(b *testing.B) {
	q := cq.New()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			q.Begin()
		}
	})
}

func BenchmarkFinalizer(b *testing.B) {
	q, ctx := cq.New(), b.Context()
	var f accept
	b.ReportAllocs()
	for b.Loop() {
		q.Begin()
		q.Complete(cq.Completion{Tag: tag, OK: true, Finalizer: f})
		q.Next(ctx)
	}
}

type accept struct{}

func (accept) Finalize(*cq.Event) bool { return true }

func BenchmarkPingPong(b *testing.B) {
	there, back := cq.New(), cq.New()
	wait := cq.Poll([]*cq.Queue{there}, 1, func(ev cq.Event) { back.Post(ev.Tag, ev.OK) })
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		there.Post(tag, true)
		back.Next(ctx)
	}
	there.Shutdown()
	wait()
}

func BenchmarkNextN(b *testing.B) {
	q, ctx := cq.New(), b.Context()
	var dst [32]cq.Event
	b.ReportAllocs()
	for b.Loop() {
		for range dst {
			q.Post(tag, true)
		}
		for n := 0; n < len(dst); {
			k, _ := q.NextN(ctx, dst[n:])
			n += k
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(dst)), "ns/event")
}

// BenchmarkManyToOne is a read loop's view: producers complete while one
// poller harvests in batches.
func BenchmarkManyToOne(b *testing.B) {
	q, ctx := cq.New(), context.Background()
	harvested := make(chan int)
	go func() {
		var dst [32]cq.Event
		total := 0
		for {
			n, kind := q.NextN(ctx, dst[:])
			if kind == cq.Shutdown {
				harvested <- total
				return
			}
			total += n
		}
	}()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			q.Post(tag, true)
		}
	})
	q.Shutdown()
	if got := <-harvested; got != b.N {
		b.Fatalf("harvested %d of %d", got, b.N)
	}
}

func BenchmarkLaneFlush(b *testing.B) {
	queues := []*cq.Queue{cq.New(), cq.New()}
	ctx := b.Context()
	var lane cq.Lane
	var dst [32]cq.Event
	b.ReportAllocs()
	for b.Loop() {
		for i := range 64 {
			q := queues[i%2]
			q.Begin()
			lane.Add(q, cq.Completion{Tag: tag, OK: true})
		}
		lane.Flush()
		for _, q := range queues {
			q.NextN(ctx, dst[:])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/event")
}

func BenchmarkWaiterReady(b *testing.B) {
	w, ctx := new(cq.Waiter), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		w.Begin()
		w.Complete(cq.Completion{Tag: tag, OK: true})
		w.Wait(ctx)
	}
}

func BenchmarkWaiterPingPong(b *testing.B) {
	q, w := cq.New(), new(cq.Waiter)
	wait := cq.Poll([]*cq.Queue{q}, 1, func(ev cq.Event) { w.Complete(cq.Completion{Tag: ev.Tag, OK: ev.OK}) })
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		w.Begin()
		q.Post(tag, true)
		w.Wait(ctx)
	}
	q.Shutdown()
	wait()
}

func BenchmarkPluck(b *testing.B) {
	q, ctx := cq.NewPluck(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		q.Post(tag, true)
		q.Pluck(ctx, tag)
	}
}

func BenchmarkCallbackInline(b *testing.B) {
	q := cq.NewCallback(cq.Inline(), nil)
	ran := 0
	run := func(cq.Event) { ran++ }
	b.ReportAllocs()
	for b.Loop() {
		q.Post(run, true)
	}
}

// BenchmarkCallbackPool hands over 32 callbacks at a time through a lane, and
// waits until they have run.
func BenchmarkCallbackPool(b *testing.B) {
	p := cq.NewPool(0)
	q := cq.NewCallback(p, nil)
	run := func(cq.Event) {}
	var lane cq.Lane
	b.ReportAllocs()
	for b.Loop() {
		for range 32 {
			q.Begin()
			lane.Add(q, cq.Completion{Tag: run, OK: true})
		}
		lane.Flush()
		p.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*32), "ns/event")
}

func BenchmarkAlarm(b *testing.B) {
	q, ctx := cq.New(), b.Context()
	var a cq.Alarm
	b.ReportAllocs()
	for b.Loop() {
		a.Set(q, farFuture, tag)
		a.Cancel()
		q.Next(ctx)
	}
}
