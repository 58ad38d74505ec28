package future_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

func TestTimeout(t *testing.T) {
	failure := errors.New("failed")
	synctest.Test(t, func(t *testing.T) {
		env := future.NewEnvironment(1)
		var late, inTime, failed, open future.Promise[int]
		tooLate := future.Timeout(env, late.Future(), time.Second)
		came := future.Timeout(env, inTime.Future(), time.Second)
		broke := future.Timeout(env, failed.Future(), time.Second)
		want(t, "at once", future.Timeout(env, future.Ready(1), 0), 1, nil)
		time.Sleep(time.Second - 1) // fake clock
		inTime.Resolve(2)
		failed.Fail(failure)
		want(t, "in time", came, 2, nil)
		want(t, "failed in time", broke, 0, failure)
		wantPending(t, "not over yet", tooLate)
		time.Sleep(time.Second) // fake clock
		synctest.Wait()
		want(t, "too late", tooLate, 0, context.DeadlineExceeded)
		late.Resolve(3)
		want(t, "it went on", late.Future(), 3, nil)

		unresolved := future.Timeout(env, open.Future(), time.Hour)
		if err := env.Close(); err != nil {
			t.Error(err)
		}
		want(t, "closed", unresolved, 0, cq.ErrShutdown)
		want(t, "too late", future.Timeout(env, open.Future(), time.Hour), 0, cq.ErrShutdown)
	})
}

// What came in time leaves no alarm, and what did not leaves the future alone.
func TestTimeoutLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := future.NewEnvironment(1)
		defer env.Close()
		begin := time.Now()
		for range 100 {
			var p future.Promise[int]
			f := future.Timeout(env, p.Future(), time.Hour)
			p.Resolve(1)
			want(t, "in time", f, 1, nil)
		}
		synctest.Wait()
		if s := env.Pick().Stats(); s != (cq.Stats{Waiting: 1}) {
			t.Errorf("%+v", s)
		}
		var p future.Promise[int]
		for range 100 {
			f := future.Timeout(env, p.Future(), 0)
			synctest.Wait()
			want(t, "too late", f, 0, context.DeadlineExceeded)
		}
		if n := future.Watchers(p.Future()); n != 0 {
			t.Errorf("%d still watch it", n)
		}
		if time.Since(begin) != 0 {
			t.Errorf("it took %v", time.Since(begin))
		}
	})
}
