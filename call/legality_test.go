package call

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
)

// Every row of C-core's invalid_call_argument test that Go's types leave
// possible, and the rest of the table of operations.
func TestIllegalBatches(t *testing.T) {
	illegal := cqrpc.Metadata{{Key: ":path", Value: "x"}}
	first := []Op{SendInitialMetadata(nil)}
	tests := []struct {
		name   string
		server bool
		before []Op // accepted first
		ops    []Op
		op     OpKind
		want   Reason
	}{
		{"initial metadata twice in a batch", false, nil, []Op{first[0], first[0]}, SendInitialMetadataOp,
			ErrTooManyOperations},
		{"initial metadata twice", false, first, first, SendInitialMetadataOp, ErrTooManyOperations},
		{"initial metadata twice on a server", true, first, first, SendInitialMetadataOp, ErrTooManyOperations},
		{"two messages in a batch", false, nil, []Op{SendValue("a"), SendValue("b")}, SendMessageOp, ErrTooManyOperations},
		{"second message while one is outstanding", false, []Op{first[0], SendValue("a")}, []Op{SendValue("b")},
			SendMessageOp, ErrTooManyOperations},
		{"close twice", false, []Op{SendClose()}, []Op{SendClose()}, SendCloseOp, ErrTooManyOperations},
		{"status twice", true, []Op{SendStatus(cqrpc.Status{}, nil)}, []Op{SendStatus(cqrpc.Status{}, nil)},
			SendStatusOp, ErrTooManyOperations},
		{"receive initial metadata twice", false, []Op{RecvInitialMetadata(nil)}, []Op{RecvInitialMetadata(nil)},
			RecvInitialMetadataOp, ErrTooManyOperations},
		{"two receives in a batch", false, nil, []Op{RecvMessage(nil), RecvMessage(nil)}, RecvMessageOp,
			ErrTooManyOperations},
		{"second receive while one is outstanding", true, []Op{RecvMessage(nil)}, []Op{RecvMessage(nil)}, RecvMessageOp,
			ErrTooManyOperations},
		{"receive status twice", false, []Op{RecvStatus(nil, nil)}, []Op{RecvStatus(nil, nil)}, RecvStatusOp,
			ErrTooManyOperations},
		{"receive close twice", true, []Op{RecvClose(nil)}, []Op{RecvClose(nil)}, RecvCloseOp, ErrTooManyOperations},

		{"status from a client", false, nil, []Op{SendStatus(cqrpc.Status{}, nil)}, SendStatusOp, ErrNotOnClient},
		{"receive close on a client", false, nil, []Op{RecvClose(nil)}, RecvCloseOp, ErrNotOnClient},
		{"close from a server", true, nil, []Op{SendClose()}, SendCloseOp, ErrNotOnServer},
		{"receive status on a server", true, nil, []Op{RecvStatus(nil, nil)}, RecvStatusOp, ErrNotOnServer},
		{"receive initial metadata on a server", true, nil, []Op{RecvInitialMetadata(nil)}, RecvInitialMetadataOp,
			ErrNotOnServer},
		{"status with receive message", true, nil, []Op{SendStatus(cqrpc.Status{}, nil), RecvMessage(nil)}, SendStatusOp,
			ErrCall},

		{"flags: initial metadata", false, nil, []Op{first[0].With(BufferHint)}, SendInitialMetadataOp, ErrInvalidFlags},
		{"flags: message", false, nil, []Op{SendValue("a").With(WaitForReady)}, SendMessageOp, ErrInvalidFlags},
		{"flags: unknown", false, nil, []Op{SendValue("a").With(1 << 30)}, SendMessageOp, ErrInvalidFlags},
		{"flags: close", false, nil, []Op{SendClose().With(WriteThrough)}, SendCloseOp, ErrInvalidFlags},
		{"flags: status", true, nil, []Op{SendStatus(cqrpc.Status{}, nil).With(WriteThrough)}, SendStatusOp, ErrInvalidFlags},
		{"flags: receive initial metadata", false, nil, []Op{RecvInitialMetadata(nil).With(1)}, RecvInitialMetadataOp,
			ErrInvalidFlags},
		{"flags: receive message", false, nil, []Op{RecvMessage(nil).With(1)}, RecvMessageOp, ErrInvalidFlags},
		{"flags: receive status", false, nil, []Op{RecvStatus(nil, nil).With(1)}, RecvStatusOp, ErrInvalidFlags},
		{"flags: receive close", true, nil, []Op{RecvClose(nil).With(1)}, RecvCloseOp, ErrInvalidFlags},

		{"nil message", false, nil, []Op{SendMessage(nil)}, SendMessageOp, ErrInvalidMessage},
		{"value that does not marshal", false, nil, []Op{first[0], SendValue("bad")}, SendMessageOp, ErrInvalidMessage},
		{"reserved key", false, nil, []Op{SendInitialMetadata(illegal)}, SendInitialMetadataOp, ErrInvalidMetadata},
		{"empty key", false, nil, []Op{SendInitialMetadata(cqrpc.Metadata{{Value: "x"}})}, SendInitialMetadataOp,
			ErrInvalidMetadata},
		{"upper-case key", false, nil, []Op{SendInitialMetadata(cqrpc.Metadata{{Key: "A"}})}, SendInitialMetadataOp,
			ErrInvalidMetadata},
		{"control byte in a value", false, nil, []Op{SendInitialMetadata(cqrpc.Metadata{{Key: "a", Value: "\n"}})},
			SendInitialMetadataOp, ErrInvalidMetadata},
		{"trailing metadata", true, nil, []Op{SendStatus(cqrpc.Status{}, illegal)}, SendStatusOp, ErrInvalidMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newSideRig(t, tt.server)
			if tt.before != nil {
				r.start("before", tt.before...)
			}
			state := r.c.String()
			err := r.c.StartBatch(tt.ops, "rejected")
			var be *BatchError
			if !errors.Is(err, tt.want) || !errors.As(err, &be) || be.Op != tt.op {
				t.Fatalf("got %v, want %v: %v", err, tt.op, tt.want)
			}
			if now := r.c.String(); now != state {
				t.Errorf("state was %s, is %s", state, now)
			}
			r.want("a rejected batch has no event")
		})
	}
}

// Every flag of C-core's table is accepted, on both sides, and a send completes with it as
// it does without; what the flags change has tests of its own.
func TestLegalFlags(t *testing.T) {
	legal := map[OpKind][]Flags{
		SendInitialMetadataOp: {WaitForReady, WaitForReadySet, WaitForReady | WaitForReadySet, WriteThrough},
		SendMessageOp:         {BufferHint, NoCompress, WriteThrough, BufferHint | NoCompress | WriteThrough},
	}
	for kind, flags := range legal {
		for _, f := range flags {
			for _, server := range []bool{false, true} {
				r := newSideRig(t, server)
				ops := []Op{SendInitialMetadata(nil), SendValue("a")}
				for i := range ops {
					if ops[i].Kind() == kind {
						ops[i] = ops[i].With(f)
					}
				}
				r.start("sent", ops...)
				r.accept()
				r.want(fmt.Sprintf("%v with flags %#x, server %v", kind, f, server), "sent")
				r.c.Cancel()
			}
		}
	}
}

func newSideRig(t *testing.T, server bool) *rig {
	if server {
		return newServerRig(t, Config{})
	}
	return newRig(t, nil)
}

// After a rejected batch, whatever was wrong with it, all its operations can be started again, and
// the caller still has its buffer.
func TestRejectedBatchChangesNothing(t *testing.T) {
	r := newRig(t, nil)
	b := CopyBuffer([]byte("mine"))
	bad := []Op{
		SendInitialMetadata(nil), SendMessage(b), SendClose(),
		RecvMessage(nil), RecvStatus(nil, nil), RecvInitialMetadata(nil).With(1),
	}
	if err := r.c.StartBatch(bad, "bad"); !errors.Is(err, ErrInvalidFlags) {
		t.Fatal(err)
	}
	if err := r.c.StartBatch([]Op{SendInitialMetadata(nil), SendValue("bad"), RecvStatus(nil, nil)},
		"bad"); !errors.Is(err, ErrInvalidMessage) {
		t.Fatal(err)
	}
	done := cq.New()
	done.Shutdown()
	if err := r.c.StartBatchOn(done, bad[:5], "bad"); err != cq.ErrShutdown {
		t.Fatal(err)
	}
	if err := r.c.StartBatchOn(nil, bad[:5], "bad"); !errors.Is(err, ErrCall) {
		t.Fatal(err)
	}
	if string(b.Bytes()) != "mine" {
		t.Error("the buffer was taken")
	}
	bad[5] = RecvInitialMetadata(nil)
	r.start("good", bad...)
	r.accept()
	r.trailers(":status", "200", "content-type", "application/grpc", "grpc-status", "0")
	r.want("all operations were still possible", "good")
}

// A codec or compressor that panics rejects the batch.
func TestPanicInACodecChangesNothing(t *testing.T) {
	r := newRig(t, func(cfg *Config, _ *fakeOpener) {
		cfg.Settings.Compressors = codec.NewCompressors(bomb{})
		cfg.Settings.Compressor = "bomb"
	})
	b := CopyBuffer([]byte("mine"))
	for _, message := range []Op{SendValue("panic"), SendValue("mine"), SendMessage(b)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_ = r.c.StartBatch([]Op{SendInitialMetadata(nil), message, SendClose(), RecvStatus(nil, nil)}, "bad")
		}()
	}
	if string(b.Bytes()) != "mine" {
		t.Error("the buffer was taken")
	}
	r.start("good", SendInitialMetadata(nil), SendMessage(b).With(NoCompress), SendClose(), RecvStatus(nil, nil))
	r.accept()
	r.trailers(":status", "200", "content-type", "application/grpc", "grpc-status", "0")
	r.want("all operations were still possible", "good")
}

// bomb is a compressor that panics.
type bomb struct{}

func (bomb) Name() string { return "bomb" }

func (bomb) Compress([]byte, []byte) ([]byte, error) { panic("boom") }

func (bomb) Decompress(dst, _ []byte, _ int) ([]byte, error) { return dst, nil }

// If a batch is rejected after its buffer was compressed, the buffer is still the caller's.
func TestRejectedBatchKeepsCompressedBuffer(t *testing.T) {
	r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Settings.Compressor = "gzip" })
	b := CopyBuffer(make([]byte, 4096))
	done := cq.New()
	done.Shutdown()
	if err := r.c.StartBatchOn(done, []Op{SendMessage(b)}, "bad"); err != cq.ErrShutdown {
		t.Fatal(err)
	}
	if b.Len() != 4096 {
		t.Error("the buffer was taken")
	}
	b.Free()
}

func TestEmptyBatchInAnyState(t *testing.T) {
	r := newRig(t, nil)
	r.start("kick")
	r.want("an empty batch is complete at once", "kick")
	r.c.Cancel()
	r.start("kick")
	r.want("on a cancelled call too", "kick")
	r.q.Shutdown()
	if err := r.c.StartBatch(nil, "kick"); err != cq.ErrShutdown {
		t.Errorf("on a finished queue: %v", err)
	}
}

// Order inside a batch is irrelevant: the wire has its own.
func TestOrderOfOpsDoesNotMatter(t *testing.T) {
	r := newRig(t, nil)
	r.start("all", RecvStatus(nil, nil), SendClose(), RecvMessage(nil), SendValue("m"), SendInitialMetadata(nil))
	if s := r.stream(); !s.given.Headers || s.given.Messages != 1 || !s.given.End {
		t.Errorf("stream was given %+v", s.given)
	}
	r.c.Cancel()
	r.want("cancelled", "all")
}

func TestBatchErrorText(t *testing.T) {
	r := newRig(t, nil)
	err := r.c.StartBatch([]Op{SendInitialMetadata(cqrpc.Metadata{{Key: "Bad Key"}})}, nil)
	want := `call: SEND_INITIAL_METADATA: invalid metadata: ` +
		`metadata entry 0: key "Bad Key" has illegal byte 0x42 at offset 0`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
