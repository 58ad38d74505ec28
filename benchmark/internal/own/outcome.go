package own

import (
	"errors"

	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// errEnded is a stream that should have gone on.
var errEnded = errors.New("the stream has ended")

// sent is the outcome of sending on a stream.
func sent(ok bool) error {
	if !ok {
		return errEnded
	}
	return nil
}

// received is the outcome of receiving from a stream what was to bring size bytes.
func received(ok bool, res *pb.SimpleResponse, size int) error {
	if !ok {
		return errEnded
	}
	return service.Check(res, size)
}

// bounce is one operation of a ping-pong stream whose message is sent while the
// answer is received: it has ended when both have.
type bounce struct {
	waitFor int
	failed  bool
	keeper
}

func (b *bounce) begin() { b.waitFor = 2 }

// half notes that sending or receiving has ended. If both have, isOver is true and err the outcome.
func (b *bounce) half(ok bool, res *pb.SimpleResponse, size int) (isOver bool, err error) {
	b.failed = b.failed || !ok
	if b.waitFor--; b.waitFor > 0 {
		return false, nil
	}
	err = received(!b.failed, res, size)
	res.Payload = b.keep(res.Payload)
	return true, err
}
