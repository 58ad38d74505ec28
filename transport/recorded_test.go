package transport

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded is what real clients and servers once said, by session. See
// conformance/cmd/record for how it is made anew.
func recorded(t testing.TB, way string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "recorded", way, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	all := make(map[string][]byte)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = b
	}
	return all
}

// ways is who reads which recordings.
var ways = map[string]Side{"to-server": Server, "to-client": Client}

// TestRecorded replays recordings, at once and octet by octet, to an application
// that returns credit and one that does not. What fuzzConn checks must hold.
func TestRecorded(t *testing.T) {
	for way, side := range ways {
		for name, b := range recorded(t, way) {
			t.Run(way+"/"+name, func(t *testing.T) {
				for _, mode := range []byte{0, fuzzTrickle, fuzzHold, fuzzUnread} {
					fuzzConn(t, side, append([]byte{fuzzRaw | mode}, b...))
				}
			})
		}
	}
}

// TestRecordedClients: what real clients say is no fault, up to the end.
func TestRecordedClients(t *testing.T) {
	for name, b := range recorded(t, "to-server") {
		if strings.HasPrefix(name, "h2spec") { // faults are its trade
			continue
		}
		t.Run(name, func(t *testing.T) {
			play(t, Server, Config{}, func(s *scene) {
				s.peer.WriteBytes(b)
				s.wait()
				s.peer.Close()
				if err := s.ended(); !errors.Is(err, ErrPeerClosed) {
					t.Errorf("OnClosed(%v)", err)
				}
				if len(s.handler.probes) == 0 {
					t.Error("there was no request")
				}
			})
		})
	}
}
