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
	c := NewClient(nil, Config{Settings: NewSettings(Settings{Codec: codec.Bytes()})}, &fakeOpener{})
	if c.SetCompressor("gzip") == nil {
		t.Error("a client's encoding was changed")
	}
}

// claim is a compressor whose messages say a size.
type claim struct {
	codec.Compressor
	n int
}

func (c claim) DecompressedSize([]byte) int { return c.n }

// The room for a compressed message is the size that it claims, as far as that can be trusted.
func TestInflatedSize(t *testing.T) {
	const limit = 1 << 20
	r := newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.Settings = NewSettings(Settings{MaxRecvMessage: limit}) })
	for _, test := range []struct {
		name string
		comp codec.Compressor
		sent int // octets
		want int
	}{
		{"it does not say", codec.Identity(), 1000, 4000},
		{"it cannot say", claim{n: -1}, 1000, 4000},
		{"it says", claim{n: 20_000}, 100, 20_001},
		{"more than is trusted", claim{n: 1 << 30}, 100, trustedSize},
		{"much, of much", claim{n: 500_000}, 100_000, 500_001},
		{"more than it is likely to be", claim{n: 1 << 30}, 10_000, 160_000},
		{"more than the limit", claim{n: 1 << 30}, 1 << 20, limit},
		{"a guess past the limit", codec.Identity(), 1 << 20, limit},
	} {
		if got := r.c.inflatedSize(test.comp, make([]byte, test.sent)); got != test.want {
			t.Errorf("%s: room for %d, want %d", test.name, got, test.want)
		}
	}
}
