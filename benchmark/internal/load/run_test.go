package load

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeClient has slots that take a fixed time for an operation.
type fakeClient struct {
	took    time.Duration
	err     error // of every operation
	downErr error // of every Down
	slots   int
	dials   int
}

func (c *fakeClient) Dial() (Conn, error) {
	c.dials++
	return fakeConn{c}, nil
}

func (c *fakeClient) Close() error { return nil }

type fakeConn struct{ client *fakeClient }

func (c fakeConn) slot(t *Turn, err error) Slot {
	c.client.slots++
	return Blocking(t, func() error {
		time.Sleep(c.client.took) // fake clock
		return err
	})
}

func (c fakeConn) Unary(t *Turn) Slot    { return c.slot(t, c.client.err) }
func (c fakeConn) PingPong(t *Turn) Slot { return c.slot(t, c.client.err) }
func (c fakeConn) Down(t *Turn) Slot     { return c.slot(t, errors.Join(c.client.err, c.client.downErr)) }
func (c fakeConn) Up(t *Turn) Slot       { return c.slot(t, c.client.err) }

func TestAClosedLoopKeepsEverySlotAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{took: 30 * time.Millisecond}
		r, err := Run(t.Context(), c, Plan{
			Mode: Unary, Conns: 2, Streams: 5, Size: 1000, Warmup: time.Second + time.Millisecond, Duration: 3 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Ops != 1000 || r.OpsTotal < 1330 || r.OpsTotal > 1350 {
			t.Errorf("%d operations of %d, want 1000 of about 1340: 10 slots, 30 ms each", r.Ops, r.OpsTotal)
		}
		if r.P50 < 29_700 || r.P999 > 30_300 {
			t.Errorf("latency %v to %v µs, want 30000", r.P50, r.P999)
		}
		if r.MBPerS < 0.33 || r.MBPerS > 0.34 {
			t.Errorf("%v MB/s, want 1/3", r.MBPerS)
		}
	})
}

func TestMessagesThatAreMeasuredTogetherAreCountedEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{took: time.Millisecond}
		r, err := Run(t.Context(), c, Plan{Mode: Down, Conns: 1, Streams: 1, Size: 32, Duration: 3200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if r.Ops < 3184 || r.Ops > 3200 || r.P50 < 990 || r.P50 > 1010 {
			t.Errorf("%d messages of %v µs, want 3200 of 1000", r.Ops, r.P50)
		}
	})
}

func TestACrowdIsAtWorkBesideTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{took: 20 * time.Millisecond}
		r, err := Run(t.Context(), c, Plan{
			Mode: Unary, Conns: 1, Streams: 2, Warmup: time.Second, Duration: 32 * time.Second,
			Crowd: Crowd{Streams: 3, Size: 100_000},
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.slots != 5 || r.Ops < 3195 || r.Ops > 3205 || r.P50 < 19_800 || r.P50 > 20_200 {
			t.Errorf("%d slots, %d calls of %v µs; want 5, 3200 of 20000", c.slots, r.Ops, r.P50)
		}
		if r.MBPerS < 14.5 || r.MBPerS > 15.5 {
			t.Errorf("the crowd takes %v MB/s, want 15", r.MBPerS)
		}
	})
}

func TestAFailureOfTheCrowdEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{took: time.Millisecond, downErr: errors.New("broken")}
		_, err := Run(t.Context(), c, Plan{
			Mode: Unary, Conns: 1, Streams: 1, Duration: time.Hour, Crowd: Crowd{Streams: 1},
		})
		if !errors.Is(err, c.downErr) {
			t.Errorf("%v", err)
		}
	})
}

func TestAFailedOperationEndsTheRun(t *testing.T) {
	broken := errors.New("broken")
	for _, mode := range modes {
		synctest.Test(t, func(t *testing.T) {
			c := &fakeClient{took: time.Millisecond, err: broken}
			_, err := Run(t.Context(), c, Plan{Mode: mode, Conns: 1, Streams: 1, Duration: time.Hour})
			if !errors.Is(err, broken) {
				t.Errorf("%s: %v", mode, err)
			}
		})
	}
}

func TestAnOperationThatNeverEndsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{took: time.Hour}
		_, err := Run(t.Context(), c, Plan{Mode: Unary, Conns: 1, Streams: 1, Duration: time.Second})
		if err == nil || !strings.Contains(err.Error(), "have not ended") {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Hour) // fake clock; the slot's goroutine ends
	})
}

func TestTheEndOfTheContextEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Run(ctx, &fakeClient{took: time.Millisecond}, Plan{
			Mode: Unary, Conns: 1, Streams: 1, Duration: time.Hour,
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestIdleModesOpenEverythingOnce(t *testing.T) {
	for mode, want := range map[Mode]int{IdleStreams: 3 * 400, IdleConns: 3} {
		synctest.Test(t, func(t *testing.T) {
			c := &fakeClient{took: time.Millisecond}
			r, err := Run(t.Context(), c, Plan{Mode: mode, Conns: 3, Streams: 400})
			if err != nil {
				t.Fatal(err)
			}
			if int(r.Ops) != want || c.slots != want {
				t.Errorf("%s: %d held, %d slots, want %d", mode, r.Ops, c.slots, want)
			}
		})
	}
}

func TestWhatIsHeldBesideIsOpenBeforeTheModeBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{took: time.Millisecond}
		opened := -1
		r, err := Run(t.Context(), c, Plan{
			Mode: Unary, Conns: 2, Streams: 5, Held: 300, Duration: time.Second,
			Opened: func(context.Context) error {
				opened = c.slots
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if opened != 600 || c.slots != 610 || c.dials != 2 {
			t.Errorf("%d streams when they were said to be open, %d slots, %d connections; want 600, 610, 2",
				opened, c.slots, c.dials)
		}
		if r.OpsTotal > 10_100 {
			t.Errorf("%d operations: those of what is held are counted", r.OpsTotal)
		}
	})
}

func TestARunThatIsStoppedBeforeItBegins(t *testing.T) {
	stopped := errors.New("stopped")
	synctest.Test(t, func(t *testing.T) {
		_, err := Run(t.Context(), &fakeClient{}, Plan{
			Mode: Unary, Conns: 1, Streams: 1, Held: 1, Duration: time.Second,
			Opened: func(context.Context) error { return stopped },
		})
		if !errors.Is(err, stopped) {
			t.Errorf("%v", err)
		}
	})
}

func TestEachOperationHasAConnection(t *testing.T) {
	for warmup, total := range map[time.Duration]int{0: 4, 1: 5} {
		synctest.Test(t, func(t *testing.T) {
			c := &fakeClient{took: 500 * time.Millisecond}
			r, err := Run(t.Context(), c, Plan{
				Mode: Send, Conns: 1, Streams: 1, Size: 1e6, Warmup: warmup, Duration: 2 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Ops != 4 || int(r.OpsTotal) != total || c.dials != total {
				t.Errorf("%d operations, %d with warm-up, %d connections; want 4, %d, %d", r.Ops, r.OpsTotal, c.dials, total, total)
			}
			if r.OpsPerS < 1.98 || r.OpsPerS > 2.02 || r.MBPerS < 1.98 || r.MBPerS > 2.02 {
				t.Errorf("%v per second, %v MB/s, want 2", r.OpsPerS, r.MBPerS)
			}
		})
	}
}

func TestPlansThatMakeNoSenseAreRefused(t *testing.T) {
	good := Plan{Mode: Unary, Conns: 1, Streams: 1, Duration: time.Second}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Plan){
		"mode":     func(p *Plan) { p.Mode = "sideways" },
		"conns":    func(p *Plan) { p.Conns = 0 },
		"streams":  func(p *Plan) { p.Streams = 0 },
		"duration": func(p *Plan) { p.Duration = 0 },
		"rate":     func(p *Plan) { p.Mode, p.Rate = Down, 100 },
		"held":     func(p *Plan) { p.Mode, p.Held = Send, 1 },
		"afresh":   func(p *Plan) { p.Mode, p.Streams = Fetch, 2 },
		"crowd":    func(p *Plan) { p.Mode, p.Crowd.Streams = Up, 1 },
		"its rate": func(p *Plan) { p.Mode, p.Crowd.Rate = Unary, 1 },
	} {
		p := good
		spoil(&p)
		if p.Check() == nil {
			t.Errorf("%s: %+v passes", name, p)
		}
	}
}

func TestAReportHasTheNamesThatOthersRead(t *testing.T) {
	data, err := json.Marshal(Report{Mode: Unary})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"mode", "ops", "ops_per_s", "ops_total", "mb_per_s", "p50_us", "p99_us", "p999_us", "cpu_us_per_op",
		"allocs_per_op", "bytes_per_op",
	} {
		if _, ok := fields[name]; !ok {
			t.Errorf("no %s in %s", name, data)
		}
	}
}
