package h2peer_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// TestTutorial demonstrates the harness. The subject is the HTTP/2 server of
// net/http with a handler that behaves like a small gRPC service: it answers with
// headers at once, echoes one message and says status 0 in its trailers.
func TestTutorial(t *testing.T) {
	// Everything happens in a bubble: the clock is fake, and "nothing moves any
	// more" is something a test can wait for.
	synctest.Test(t, func(t *testing.T) {
		// The subject gets one end of a connection, the peer plays the other.
		l := memconn.Listen()
		serveHTTP2(t, l)
		conn, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := h2peer.New(t, conn, h2peer.Client)

		// Greet is the opening exchange. Each step of it can also be done by
		// hand: WritePreface, WriteSettings, WantSettings, WriteSettingsAck, ….
		theirs := p.Greet()
		if max, ok := theirs.Setting(http2.SettingMaxConcurrentStreams); !ok || max == 0 {
			t.Fatalf("the server opened with %v", theirs)
		}

		// Write… and the gRPC shorthands on top of it send frames. They check
		// nothing: stream 1 may be opened twice, or with an empty block.
		p.Request(1, "/echo.Echo/Echo", "grpc-timeout", "1H")

		// Want… takes the next frame and fails, beginning with the given
		// reason, if it is another one. Fields that are not named may be there.
		p.WantResponse("response headers do not wait for the message", 1, "content-type", "application/grpc")

		// WantIdle is a claim too, and the fake clock turns it into a strong
		// one: nothing is sent for a whole hour.
		p.WantIdle("the handler has no message to echo yet")
		p.Advance(time.Hour)
		p.WantIdle("time alone makes no difference")

		// A server returns window for what it reads; this script does not care.
		p.Ignore(http2.FrameWindowUpdate)
		p.WriteMessage(1, true, []byte("hello"))
		p.WantMessage("the message comes back, without the end of the stream", 1, false, []byte("hello"))
		p.WantTrailers("and the status ends the stream", 1, 0)

		// What is not legal goes out just as well.
		p.WriteRaw(http2.FramePing, 0, 1, make([]byte, 8))
		p.WantGoAway("PING belongs to the connection, not to stream 1 (RFC 9113 section 6.7)", http2.ErrCodeProtocol)
		p.Advance(time.Second) // this server grants its GOAWAY a second to arrive
		p.WantClosed("a connection error ends the connection (RFC 9113 section 5.4.1)")
	})
}

// serveHTTP2 serves HTTP/2 without TLS on l until the test ends.
func serveHTTP2(t *testing.T, l net.Listener) {
	server := &http.Server{
		Handler:   http.HandlerFunc(echo),
		Protocols: new(http.Protocols),
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	flush := w.(http.Flusher).Flush
	flush()
	buf := make([]byte, 100)
	for {
		n, err := r.Body.Read(buf)
		w.Write(buf[:n])
		if err != nil {
			break
		}
	}
	flush()
	w.Header().Set("Grpc-Status", "0")
}

// TestOverTCP is the tutorial in short on a real socket, where wants wait for
// the network and WantIdle is a PING round trip.
func TestOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveHTTP2(t, l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := h2peer.New(t, conn, h2peer.Client)
	p.Ignore(http2.FrameWindowUpdate)
	p.Greet()
	p.Request(1, "/echo.Echo/Echo")
	p.WantResponse("headers first", 1)
	p.WantIdle("the handler waits for a message")
	p.WriteMessage(1, true, []byte("hello"))
	p.WantMessage("echo", 1, false, []byte("hello"))
	p.WantTrailers("status", 1, 0)
	p.WantIdle("the stream is over, the connection is not")
}
