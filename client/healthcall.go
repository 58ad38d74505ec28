package client

import (
	"errors"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// healthChecks is what the health checks of a channel have in common.
type healthChecks struct {
	// immutable
	service string
	config  callConfig // of the calls, whose events run on goroutines that end when there are none
}

const healthWatchMethod = "/grpc.health.v1.Health/Watch"

// maxHealthMessage is in bytes. A message has two, and may have fields that are not known here.
const maxHealthMessage = 4 << 10

// newHealthChecks returns nil if the channel makes none: pick_first does not, since what an unhealthy server
// means there is not clear (gRFC A17). The calls have what the channel's calls have in common, such as
// credentials, but no time limit, no compression, and no retries except those of the check.
func (ch *Channel) newHealthChecks() *healthChecks {
	if ch.cfg.health == nil || !ch.cfg.balancing.isToEach() {
		return nil
	}
	cfg := ch.base
	if own, ok := ch.bases.of(healthWatchMethod); ok {
		cfg = *own
	}
	cfg.Settings = cfg.Settings.WithCodec(codec.Proto())
	cfg.Settings.Compressor, cfg.Settings.MaxRecvMessage = "", maxHealthMessage
	cfg.Config = call.Config{Method: healthWatchMethod, Authority: cfg.Authority, Settings: cfg.Settings}
	cfg.Completer = cq.NewCallback(nil, nil)
	return &healthChecks{service: *ch.cfg.health, config: cfg}
}

// healthCall is one call of Watch.
type healthCall struct {
	check    *healthCheck
	call     *call.Call
	metadata cqrpc.Metadata

	// owned by the batch that sets it
	status  cqrpc.Status
	message *call.Buffer
}

// newCall makes a call, and has it pass through the channel's filters.
func (hs *healthChecks) newCall(h *healthCheck) *healthCall {
	cfg := hs.config
	ctx, md, _ := cfg.Filter(h.ctx, cfg.headers) // a refusal is how the call has ended
	if t, ok := ctx.Deadline(); ok {
		cfg.deadline(t)
	}
	c := call.NewClient(nil, cfg.Config, (*healthOpener)(h))
	c.Watch(ctx)
	return &healthCall{check: h, call: c, metadata: md}
}

func (w *healthCall) start() {
	request := call.NewBuffer(
		protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), w.check.sub.health.service))
	err := w.call.StartBatch([]call.Op{
		call.SendInitialMetadata(w.metadata), call.SendMessage(request), call.SendClose(),
		call.RecvStatus(&w.status, nil),
	}, w.onEnd)
	if err != nil { // metadata that is not legal
		request.Free()
		w.call.CancelWithStatus(cqrpc.CodeInternal, err.Error())
		w.mustStart(call.RecvStatus(&w.status, nil), w.onEnd)
	}
	w.receive()
}

func (w *healthCall) receive() { w.mustStart(call.RecvMessage(&w.message), w.onMessage) }

func (w *healthCall) mustStart(op call.Op, then func(cq.Event)) {
	if err := w.call.StartBatch([]call.Op{op}, then); err != nil {
		panic("BUG: client: health check: " + err.Error())
	}
}

// onMessage is run by the queue. No message is the end, of which onEnd is told as well.
func (w *healthCall) onMessage(cq.Event) {
	if w.message == nil {
		return
	}
	status, err := parseHealth(w.message.Bytes())
	w.message.Free()
	if err != nil {
		w.call.CancelWithStatus(cqrpc.CodeInternal, "not a grpc.health.v1.HealthCheckResponse: "+err.Error())
		return
	}
	w.check.onMessage(w.call, status)
	w.receive()
}

// onEnd is run by the queue.
func (w *healthCall) onEnd(cq.Event) {
	w.check.onEnd(w.call, w.status.Code, w.err())
	w.call.Close()
}

var errHealthEnded = errors.New("the server has ended the watch")

func (w *healthCall) err() error {
	if err := w.call.Err(); err != nil {
		return err
	}
	return errHealthEnded
}

// ServingStatus of grpc.health.v1.HealthCheckResponse.
const healthServing = 1

var servingStatusNames = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

func servingStatus(status uint64) string {
	if status < uint64(len(servingStatusNames)) {
		return servingStatusNames[status]
	}
	return strconv.FormatUint(status, 10)
}

// parseHealth returns the status in a HealthCheckResponse. The generated message would register itself in
// every client.
func parseHealth(b []byte) (status uint64, err error) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
		if number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return status, nil
}

// healthOpener is a health check as its calls see it: they go to its connection, or nowhere.
type healthOpener healthCheck

var _ call.Opener = (*healthOpener)(nil)

// Open makes a stream.
func (o *healthOpener) Open(c *call.Call) {
	s, err := newStream(o.conn, c)
	if err != nil {
		c.Fail(unavailable(&frame.CloseError{Kind: frame.ConnLost, Unsent: true, Err: err}))
		return
	}
	c.Bind(s, newSingle(o.conn).peer)
}

// Rest never happens: the calls have no policy.
func (o *healthOpener) Rest(*call.Call) {}

// Forget has nothing to do: no call waits.
func (o *healthOpener) Forget(*call.Call) {}

// Obstacle is never asked for: Open answers at once.
func (o *healthOpener) Obstacle() error { return nil }
