package call

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/codec"
)

// counting counts what it marshals.
type counting struct {
	codec.Codec
	n *int
}

func (c counting) Append(dst []byte, v any) ([]byte, error) {
	*c.n++
	return c.Codec.Append(dst, v)
}

// One buffer goes out on many calls: those that compress do so by themselves, and
// it is as it was. Nothing is marshalled but once.
func TestEncode(t *testing.T) {
	n := 0
	text := strings.Repeat("x", 10_000)
	b, err := Encode(counting{textCodec{}, &n}, text)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(b.Bytes())
	for _, how := range []struct {
		compressor string
		limit      int
		flags      Flags
		isSmall    bool
		want       string
	}{
		{"", 0, 0, false, "sent"},
		{"gzip", 0, 0, true, "sent"},
		{"gzip", 0, NoCompress, false, "sent"},
		{"", len(text), 0, false, "sent"},
		{"", len(text) - 1, 0, false, "!sent"},
	} {
		t.Run("", func(t *testing.T) {
			r := newServerRig(t, Config{Settings: NewSettings(Settings{
				Codec: counting{textCodec{}, &n}, Compressor: how.compressor, MaxSendMessage: how.limit,
			})}, requestFields("grpc-accept-encoding", "gzip")...)
			r.start("sent", SendInitialMetadata(nil), SendMessage(b.Ref()).With(how.flags))
			r.accept()
			r.want("flow control has taken it, or it is over the limit", how.want)
			if how.want != "sent" {
				return
			}
			got := r.server.messages[0]
			if isSmall := len(got) < 1000; isSmall != how.isSmall || !isSmall && got[5:] != text {
				t.Errorf("%d octets went out", len(got))
			}
		})
	}
	if n != 1 || !bytes.Equal(b.Bytes(), before) {
		t.Errorf("marshalled %d times, changed %v", n, !bytes.Equal(b.Bytes(), before))
	}
	b.Free()
}

// A codec that fails, or panics, leaves no buffer behind.
func TestEncodeThatFails(t *testing.T) {
	trackBuffers(t)
	if b, err := Encode(codec.Proto(), "no message"); err == nil || b != nil {
		t.Errorf("got %v, %v", b, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("the panic is lost")
		}
	}()
	_, _ = Encode(textCodec{}, "panic")
}

// A message that is none is refused by its name; the other operations were not started.
func TestNilBuffer(t *testing.T) {
	r := newServerRig(t, Config{})
	err := r.c.StartBatch([]Op{SendInitialMetadata(nil), SendMessage(nil)}, "x")
	if want := "call: SEND_MESSAGE: invalid message: the buffer is nil"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	r.start("header", SendInitialMetadata(nil))
	r.accept()
	r.want("nothing was before", "header")
}
