package testservice

import (
	"bytes"
	"testing"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/leak"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { leak.Main(m) }

func request(t *testing.T, marked bool) []byte {
	t.Helper()
	req := &testpb.SimpleRequest{ResponseSize: 7, Payload: &testpb.Payload{Body: make([]byte, 1000)}}
	if marked {
		Compress(req)
	}
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOnlyMarkedMessagesGetSmaller(t *testing.T) {
	gzip, _ := Compressors().Lookup("gzip")
	plain := request(t, false)
	if out, err := gzip.Compress(nil, plain); err != nil || !bytes.Equal(out, plain) {
		t.Errorf("without a mark %d bytes became %d (%v), want them as they were", len(plain), len(out), err)
	}
	out, err := gzip.Compress(nil, request(t, true))
	if err != nil || len(out) >= len(plain) {
		t.Fatalf("with a mark %d bytes became %d (%v), want fewer", len(plain), len(out), err)
	}
	if got, err := codec.Gzip().Decompress(nil, out, -1); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("another gzip reads %d bytes (%v), want the %d without the mark", len(got), err, len(plain))
	}
}

func TestCompressedMessagesAreMarked(t *testing.T) {
	gzip, _ := Compressors().Lookup("gzip")
	sent, err := codec.Gzip().Compress(nil, request(t, false))
	if err != nil {
		t.Fatal(err)
	}
	data, err := gzip.Decompress(nil, sent, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		data []byte
		want bool
	}{{"compressed", data, true}, {"as it was", request(t, false), false}} {
		req := new(testpb.SimpleRequest)
		if err := proto.Unmarshal(test.data, req); err != nil {
			t.Fatal(err)
		}
		if got := WasCompressed(req); got != test.want {
			t.Errorf("%s: WasCompressed is %t", test.name, got)
		}
		if req.GetResponseSize() != 7 {
			t.Errorf("%s: the request has changed: %v", test.name, req)
		}
		for _, expected := range []*testpb.BoolValue{nil, {Value: true}, {Value: false}} {
			err := checkCompression(req, expected)
			if fits := expected == nil || expected.GetValue() == test.want; fits != (err == nil) {
				t.Errorf("%s: expect_compressed %v gives %v", test.name, expected, err)
			}
		}
	}
}
