package call

import (
	"testing"

	"github.com/cqrpc/cqrpc/codec"
)

// A server chooses the encoding of a response until it begins, and sends none
// that the client does not accept.
func TestSetCompressor(t *testing.T) {
	for _, tt := range []struct {
		name, accept, byDefault, set, want string
		isError                            bool
	}{
		{"on", "identity,gzip", "", "gzip", "gzip", false},
		{"off", "identity,gzip", "gzip", "identity", "identity", false},
		{"not accepted", "identity", "", "gzip", "identity", false},
		{"not installed", "identity,br", "", "br", "identity", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := NewSettings(Settings{Compressor: tt.byDefault, Codec: textCodec{}})
			r := newServerRig(t, Config{Settings: set}, requestFields("grpc-accept-encoding", tt.accept)...)
			if err := r.c.SetCompressor(tt.set); (err != nil) != tt.isError {
				t.Errorf("error %v", err)
			}
			if got := r.c.SendEncoding(); got != tt.want {
				t.Errorf("encoding %q, want %q", got, tt.want)
			}
			r.start("begin", SendInitialMetadata(nil))
			want := tt.want
			if want == "identity" { // goes without saying
				want = "<none>"
			}
			if got := fieldValue(r.server.headers, "grpc-encoding"); got != want {
				t.Errorf("announced %q", got)
			}
			if r.c.SetCompressor("identity") == nil {
				t.Error("it was changed after it was announced")
			}
			r.accept()
			r.want("sent", "begin")
		})
	}
	c := NewClient(Config{Settings: NewSettings(Settings{Codec: codec.Bytes()})}, &fakeOpener{})
	if c.SetCompressor("gzip") == nil {
		t.Error("a client's encoding was changed")
	}
}
