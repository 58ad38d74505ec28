package envelope

import (
	"bytes"
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/parity"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestOnlyWhatIsInAMessageCrossesTheWire(t *testing.T) {
	k := Codec()
	for _, body := range [][]byte{nil, {0}, []byte("\xff\xfe no protobuf")} {
		sent := &parity.Message{Value: body}
		data, err := k.Append([]byte("before"), sent)
		if err != nil || !bytes.Equal(data, append([]byte("before"), body...)) {
			t.Errorf("Append(%q) is %q, %v", body, data, err)
		}
		got := &parity.Message{Value: []byte("old")}
		if err := k.Unmarshal(body, got); err != nil || !bytes.Equal(got.GetValue(), body) {
			t.Errorf("Unmarshal(%q) is %q, %v", body, got.GetValue(), err)
		}
		if k.Size(sent) != len(body) {
			t.Errorf("Size(%q) is %d", body, k.Size(sent))
		}
	}
}

func TestOtherMessagesAreProtobuf(t *testing.T) {
	k := Codec()
	sent := wrapperspb.String("text")
	data, err := k.Append(nil, sent)
	if err != nil {
		t.Fatal(err)
	}
	got := new(wrapperspb.StringValue)
	if err := k.Unmarshal(data, got); err != nil || !proto.Equal(got, sent) {
		t.Errorf("got %v, %v, want %v", got, err, sent)
	}
}
