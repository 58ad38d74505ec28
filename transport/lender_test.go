//go:build unix

package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// never is later than a test lasts: what is put off so long does not help it by chance.
const never = time.Hour

// lender is a server connection whose requests end on queues, with pollers that answer
// them, and the peer's end, which is no Conn: two of them in one process lend nothing, for
// none reads alone.
type lender struct {
	*testing.T
	conn    *Conn
	handler *testHandler
	queues  []*cq.Queue
	meet    func(l *lender, ev cq.Event) (isAnswered bool) // what a poller does first; nil: nothing

	asked  atomic.Int64 // requests that came
	byPoll atomic.Int64 // of these, on a poller's goroutine
	hosted atomic.Int64 // of these, with a lane that has a host

	large atomic.Pointer[chan bool] // nil, or who begins to read a large frame: whether it is a poller

	polling sync.WaitGroup
	posted  chan cq.Tag   // events that are no requests
	over    chan struct{} // closed at the end of the test: nobody is kept any longer

	peer   net.Conn
	below  net.Conn // the peer's socket
	in     *frame.Reader
	out    *frame.Writer
	lastID uint32
}

// asking is the Receiver of a request, which is complete with its message.
type asking struct {
	lender *lender
	stream *Stream
}

func (*asking) OnHeaders(*frame.Headers, *cq.Lane)               {}
func (*asking) OnSent(frame.Sent, *cq.Lane)                      {}
func (*asking) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) {}

// Place is called in the middle of a large frame.
func (a *asking) Place(int) *mem.Buffer {
	if large := a.lender.large.Load(); large != nil {
		*large <- isOnPoller()
	}
	return nil
}

func (a *asking) OnData(b *mem.Buffer, end bool, lane *cq.Lane) {
	b.Free()
	l := a.lender
	l.asked.Add(1)
	if isOnPoller() {
		l.byPoll.Add(1)
	}
	if lane.Host() != nil {
		l.hosted.Add(1)
	}
	q := l.queues[int(a.stream.ID()/2)%len(l.queues)]
	if end && q.Begin() {
		lane.Add(q, cq.Completion{Tag: a.stream, OK: true})
	}
}

// isOnPoller reports whether the caller runs on the goroutine of a poller that reads.
func isOnPoller() bool {
	stack := make([]byte, 64<<10)
	return bytes.Contains(stack[:runtime.Stack(stack, false)], []byte("(*loan).Serve"))
}

// lending is how a lender is made.
type lending struct {
	cfg      Config
	queues   int // 0: one
	pollers  int // of each queue; 0: one; negative: none
	isSecure bool
	meet     func(l *lender, ev cq.Event) (isAnswered bool)
}

// lendingOver runs f without and with TLS.
func lendingOver(t *testing.T, f func(t *testing.T, isSecure bool)) {
	for _, isSecure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", isSecure), func(t *testing.T) { f(t, isSecure) })
	}
}

// needTwo gives a test of loans two processors: with one the reader lends nothing.
func needTwo(t *testing.T) {
	t.Helper()
	if before := runtime.GOMAXPROCS(0); before < 2 {
		runtime.GOMAXPROCS(2)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	}
}

func newLender(t *testing.T, o lending) *lender {
	t.Helper()
	leak.Check(t)
	peer, nc := ends(t, "tcp", "127.0.0.1:0")
	l := &lender{T: t, handler: newTestHandler(), peer: peer, below: peer, posted: make(chan cq.Tag, 1000)}
	if o.isSecure {
		l.peer, nc = encrypted(t, peer, nc)
	}
	l.meet = o.meet
	for range max(o.queues, 1) {
		l.queues = append(l.queues, cq.New())
	}
	l.handler.onStream = func(s *Stream, _ *frame.Headers, _ *cq.Lane) { s.Accept(&asking{l, s}) }
	l.start(nc, o)
	return l
}

// start starts the connection and the pollers, and shakes hands.
func (l *lender) start(nc net.Conn, o lending) {
	l.Helper()
	needTwo(l.T)
	l.over = make(chan struct{})
	o.cfg.Enforcement.MaxStrikes = -1
	if o.cfg.LingerTimeout == 0 {
		o.cfg.LingerTimeout = 20 * time.Millisecond
	}
	if o.cfg.restAfter == 0 {
		o.cfg.restAfter = never
	}
	l.conn = New(Server, nc, o.cfg, l.handler)
	for _, q := range l.queues {
		if o.pollers == 0 {
			o.pollers = 1
		}
		for range o.pollers {
			l.polling.Go(func() { l.poll(q) })
		}
	}
	l.Cleanup(l.end)
	l.in, l.out = frame.NewReader(l.peer, frame.ReaderConfig{}), frame.NewWriter()
	l.out.Preface()
	l.out.Settings()
	l.out.SettingsAck()
	l.flush()
	<-l.handler.ready
}

// end ends what a test has left, and sees that all of it ends.
func (l *lender) end() {
	close(l.over)
	l.conn.Close()
	for _, q := range l.queues {
		q.Shutdown()
	}
	_ = l.below.Close()
	l.conn.waitClosed(l.handler)
	l.polling.Wait()
	if byPoll, hosted := l.byPoll.Load(), l.hosted.Load(); byPoll != hosted {
		l.Errorf("pollers have read %d requests; the lane had a host for %d", byPoll, hosted)
	}
}

// poll is a poller: it answers requests and notes other events.
func (l *lender) poll(q *cq.Queue) {
	for {
		ev := q.Next(l.Context())
		if ev.Kind == cq.Timeout {
			ev = q.NextUntil(time.Time{}) // the test has ended: nobody else drains
		}
		if ev.Kind != cq.OpComplete {
			return
		}
		if l.meet == nil || !l.meet(l, ev) {
			l.answer(ev)
		}
	}
}

func (l *lender) answer(ev cq.Event) {
	if s, ok := ev.Tag.(*Stream); ok {
		s.Send(frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()})
		return
	}
	l.posted <- ev.Tag
}

// flush sends what is written.
func (l *lender) flush() {
	l.Helper()
	_ = l.peer.SetReadDeadline(time.Now().Add(patience)) // for the answers
	if err := l.out.Flush(l.peer); err != nil {
		l.Fatal(err)
	}
}

// writeRequest writes a request with its message, and does not send it.
func (l *lender) writeRequest() (id uint32) {
	l.lastID += 2
	id = l.lastID - 1
	l.out.HeaderList(id, requestHeaders(), false)
	l.out.Data(id, nil, []byte{0, 0, 0, 0, 0}, nil, true)
	return id
}

// request sends a request.
func (l *lender) request() (id uint32) {
	l.Helper()
	id = l.writeRequest()
	l.flush()
	return id
}

// writeLarge sends the headers of a request and returns its message, in a large frame.
func (l *lender) writeLarge() (id uint32, message []byte) {
	l.Helper()
	l.lastID += 2
	id = l.lastID - 1
	l.out.HeaderList(id, requestHeaders(), false)
	l.flush()
	const size = 16 << 10 // the largest frame that everybody takes
	payload := make([]byte, size)
	binary.BigEndian.PutUint32(payload[1:], size-frame.PrefixLen)
	l.out.Data(id, nil, payload, nil, true)
	var b bytes.Buffer
	if err := l.out.Flush(&b); err != nil {
		l.Fatal(err)
	}
	return id, b.Bytes()
}

// write sends octets as they are.
func (l *lender) write(p []byte) {
	l.Helper()
	if _, err := l.peer.Write(p); err != nil {
		l.Fatal(err)
	}
}

// wantAnswer reads until the answer to a request.
func (l *lender) wantAnswer(id uint32) {
	l.Helper()
	if err := l.readAnswer(id); err != nil {
		l.Fatalf("request %d is not answered: %v", id, err)
	}
}

func (l *lender) readAnswer(id uint32) error {
	for {
		f, err := l.in.Next()
		if err != nil {
			return err
		}
		f.Data.Free()
		if f.StreamID == id && f.End {
			return nil
		}
	}
}

// tryAsk is ask where the connection may end before the answer.
func (l *lender) tryAsk() error {
	id := l.writeRequest()
	_ = l.peer.SetReadDeadline(time.Now().Add(patience))
	if err := l.out.Flush(l.peer); err != nil {
		return err
	}
	return l.readAnswer(id)
}

func (l *lender) ask() {
	l.Helper()
	l.wantAnswer(l.request())
}

// ping sends a PING and wants it to be answered.
func (l *lender) ping(n byte) {
	l.Helper()
	askPing(l.T, l.peer, l.in, n, func() {})
}

// state is who reads the connection.
func (l *lender) state() loanState {
	if loan := l.conn.loan.Load(); loan != nil {
		return loanState(loan.state.Load())
	}
	return kept
}

// isWaiting reports whether a poller waits in the socket.
func (l *lender) isWaiting() bool {
	loan := l.conn.loan.Load()
	return loan != nil && loan.is(served) && loan.waits.Load()
}

// holdsWithin waits until ok holds, for so long at most.
func holdsWithin(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); runtime.Gosched() {
		if ok() {
			return true
		}
	}
	return ok()
}

// mostTurns is how often a test tries what needs a loan. Where others use the processors pollers are
// late, loans do not pay, and a pause of up to maxLoanPause batches follows each that did not: time is no measure
// of that.
const mostTurns = 100 * maxLoanPause

// until takes turns until one reports true. In each there is a request, so that pauses of loans end.
func (l *lender) until(why string, turn func() bool) {
	l.Helper()
	for range mostTurns {
		if turn() {
			return
		}
	}
	l.Fatal(why)
}

// untilServed asks until a poller waits in the socket. Now and then a poller is late, and
// the reader reads.
func (l *lender) untilServed() {
	l.Helper()
	isOut := func() bool { return l.state() != kept }
	l.until("no poller reads the connection", func() bool {
		l.ask()
		return holdsWithin(200*time.Microsecond, isOut) && holdsWithin(5*time.Millisecond, l.isWaiting)
	})
}

// wantPosted wants a poller to get an event that is no request.
func (l *lender) wantPosted(why string, want cq.Tag) {
	l.Helper()
	select {
	case got := <-l.posted:
		if got != want {
			l.Fatalf("%s: got %v; want %v", why, got, want)
		}
	case <-time.After(patience):
		l.Fatalf("%s: the poller does not get its event; the loan is %v", why, l.state())
	}
}

// post completes an operation of a queue, as anybody may.
func (l *lender) post(tag cq.Tag) {
	l.Helper()
	if err := l.queues[0].Post(tag, true); err != nil {
		l.Fatal(err)
	}
}

// wantClosed wants the connection to be over, and returns why.
func (l *lender) wantClosed() error {
	l.Helper()
	select {
	case err := <-l.handler.closed:
		return err
	case <-time.After(patience):
		l.Fatalf("the connection does not end; the loan is %v", l.state())
		return nil
	}
}

// gate is where a poller can be kept away from its queue.
type gate struct {
	shut    atomic.Bool
	arrived chan loanState // who reads, as the poller has come to the gate
	open    chan struct{}
}

func newGate() *gate { return &gate{arrived: make(chan loanState), open: make(chan struct{})} }

// meet is where the poller is stopped.
func (g *gate) meet(l *lender, _ cq.Event) (isAnswered bool) {
	if g.shut.Load() {
		select {
		case g.arrived <- l.state():
		case <-l.over:
			return false
		}
		select {
		case <-g.open:
		case <-l.over:
		}
	}
	return false
}

// keep sends a request and keeps the poller that gets it. It reports whether the
// poller had read it, and nobody reads now.
func (g *gate) keep(l *lender) (id uint32, isLent bool) {
	l.Helper()
	g.shut.Store(true)
	id = l.request()
	select {
	case s := <-g.arrived:
		return id, s == lent
	case <-time.After(patience):
		l.Fatal("no poller comes for the request")
		return 0, false
	}
}

// release lets the poller go on.
func (g *gate) release() {
	g.shut.Store(false)
	g.open <- struct{}{}
}

// keepLent is keep, after which nobody reads.
func (g *gate) keepLent(l *lender) (id uint32) {
	l.Helper()
	for range 1000 {
		l.untilServed()
		id, isLent := g.keep(l)
		if isLent {
			return id
		}
		g.release()
		l.wantAnswer(id)
	}
	l.Fatal("a poller that gets a request has never read it")
	return 0
}
