package future_test

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc/cq/future"
)

// The combinators of the talk: ok(1).map(|x| x + 1), select, join.
func Example() {
	ctx := context.Background()

	f := future.Map(future.Ready(1), func(x int) (int, error) { return x + 1, nil })
	fmt.Println(f.Await(ctx))

	s, _ := future.Select(future.Ready(1), future.Ready(2)).Await(ctx)
	fmt.Println(s.Value)
	fmt.Println(s.Rest[0].Await(ctx)) // the other one goes on

	fmt.Println(future.Join(future.Ready(1), future.Ready(2)).Await(ctx))
	// Output:
	// 2 <nil>
	// 1
	// 2 <nil>
	// [1 2] <nil>
}

// A Promise makes a future of what a goroutine does, as a oneshot channel.
func ExamplePromise() {
	var p future.Promise[int]
	_, _, ok := p.Future().Poll()
	fmt.Println("resolved:", ok)

	go func() { p.Resolve(42) }()
	fmt.Println(p.Future().Await(context.Background()))
	// Output:
	// resolved: false
	// 42 <nil>
}

// The pollers of an environment run what is spawned, one thing at a time per
// queue; Close waits for all of it.
func ExampleEnvironment_Spawn() {
	env := future.NewEnvironment(1)
	for i := range 3 {
		if err := env.Spawn(func() { fmt.Println("step", i) }); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(env.Close())
	// Output:
	// step 0
	// step 1
	// step 2
	// <nil>
}
