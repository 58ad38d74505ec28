package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cqrpc/cqrpc/cq/future"
)

// combine is the talk's part on futures: no call yet. What the talk writes in
// Rust is in the comments.
func combine(ctx context.Context, out screen) error {
	out.linef("futures")

	// let f = ok::<u32, u32>(1); f.wait()
	one, err := future.Ready(1).Await(ctx)
	if err != nil {
		return err
	}
	out.linef("  ok(1) is %d", one)

	// let mut f = empty::<u32, u32>(); f.poll()
	var promise future.Promise[int] // somebody will keep it, or not
	_, _, isReady := promise.Future().Poll()
	out.linef("  empty() is ready: %v", isReady)

	// a oneshot channel: the promise is its sender, the future its receiver
	promise.Resolve(7)
	seven, err := promise.Future().Await(ctx)
	if err != nil {
		return err
	}
	out.linef("  a promise of %d was kept", seven)

	// ok::<u32, u32>(1).map(|x| x + 1)
	two, err := future.Map(future.Ready(1), addOne).Await(ctx)
	if err != nil {
		return err
	}
	out.linef("  ok(1).map(|x| x + 1) is %d", two)

	// ok(1).and_then(g)
	text, err := future.Then(future.Ready(1), spell).Await(ctx)
	if err != nil {
		return err
	}
	out.linef("  ok(1).and_then(spell) is %q", text)

	_, err = future.Then(future.Ready(3), spell).Await(ctx)
	out.linef("  ok(3).and_then(spell) fails: %v", err)
	return combineSeveral(ctx, out)
}

func addOne(x int) (int, error) { return x + 1, nil }

var errTooHard = errors.New("cannot spell that")

// spell stands for something that takes its time: it returns a future.
func spell(x int) *future.Future[string] {
	names := []string{"zero", "one", "two"}
	if x >= len(names) {
		return future.Failed[string](errTooHard)
	}
	return future.Ready(names[x])
}

func combineSeveral(ctx context.Context, out screen) error {
	// let (_, next) = f1.select(f2).wait(); next.wait()
	selected, err := future.Select(future.Ready(1), future.Ready(2)).Await(ctx)
	if err != nil {
		return err
	}
	next, err := selected.Rest[0].Await(ctx)
	if err != nil {
		return err
	}
	out.linef("  ok(1).select(ok(2)) is %d, and then %d", selected.Value, next)

	// f1.join(f2), join_all
	pair, err := future.Join2(future.Ready(1), future.Ready("two")).Await(ctx)
	if err != nil {
		return err
	}
	all, err := future.Join(future.Ready(1), future.Ready(2), future.Ready(3)).Await(ctx)
	if err != nil {
		return err
	}
	out.linef("  ok(1).join(ok(two)) is %d and %s, join_all %s", pair.First, pair.Second, fmt.Sprint(all))
	return nil
}
