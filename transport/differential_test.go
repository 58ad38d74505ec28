package transport

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/memconn"
)

// verdict is what a server makes of a program of frames.
type verdict struct {
	dead   bool                     // a connection error
	code   http2.ErrCode            // its code
	resets map[uint32]http2.ErrCode // stream errors
}

// class is what two servers must agree on. RFC 9113 often leaves the code open
// (section 5.4), and what a dead connection had to say of its streams may have
// been dropped.
func (v verdict) class() string {
	if v.dead {
		return "connection error"
	}
	return fmt.Sprintf("stream errors on %v", v.ids())
}

func (v verdict) ids() []uint32 {
	var ids []uint32
	for id := uint32(0); id < 1<<10; id++ {
		if _, ok := v.resets[id]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// judge plays a program to a server and returns its verdict.
func judge(t *testing.T, serve func(net.Conn), program []byte) verdict {
	t.Helper()
	near, far := memconn.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		serve(far)
	}()
	defer func() {
		near.Close()
		<-served
	}()
	_ = near.SetDeadline(time.Now().Add(time.Hour)) // a server that says nothing is found out; fake clock
	v := verdict{resets: make(map[uint32]http2.ErrCode)}
	f := http2.NewFramer(near, near)
	_, _ = io.WriteString(near, http2.ClientPreface)
	_ = f.WriteSettings()
	_, _ = near.Write(program)
	// An answer to a PING may overtake a reset that is due at the same time, but not
	// the one of the PING after it.
	for range 2 {
		_ = f.WritePing(false, [8]byte{'e', 'n', 'd'})
		if v.read(t, f); v.dead {
			break
		}
	}
	return v
}

// read takes frames up to the answer to the last PING, or the end.
func (v *verdict) read(t *testing.T, f *http2.Framer) {
	t.Helper()
	for {
		fr, err := f.ReadFrame()
		switch fr := fr.(type) {
		case *http2.RSTStreamFrame:
			if fr.ErrCode != http2.ErrCodeNo {
				v.resets[fr.StreamID] = fr.ErrCode
			}
		case *http2.GoAwayFrame:
			if fr.ErrCode != http2.ErrCodeNo {
				v.dead, v.code = true, fr.ErrCode
			}
		case *http2.PingFrame:
			if fr.IsAck() && string(fr.Data[:3]) == "end" {
				return
			}
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("no reaction at all")
			}
			v.dead = true
			return
		}
	}
}

// oursServes is a server that takes every request and answers none.
func oursServes(nc net.Conn) {
	w := &silent{ended: make(chan struct{})}
	w.hold = true
	cfg := Config{MaxConcurrentStreams: 250, MaxWindow: -1, Enforcement: Enforcement{MaxStrikes: -1}, LingerTimeout: 1}
	New(Server, nc, cfg, w)
	<-w.ended
}

// silent is a watcher that tells when the connection has ended.
type silent struct {
	watcher
	ended chan struct{}
}

func (s *silent) OnClosed(err error) { s.watcher.OnClosed(err); close(s.ended) }

// theirsServes is the same with the server of x/net.
//
//nolint:staticcheck // deprecated in favour of net/http, whose copy of it cannot be given a connection
func theirsServes(nc net.Conn) {
	base := &http.Server{ErrorLog: log.New(io.Discard, "", 0)}
	s := &http2.Server{
		MaxConcurrentStreams: 250, MaxReadFrameSize: 16384, MaxUploadBufferPerStream: 65535,
		MaxUploadBufferPerConnection: 1 << 20,
	}
	// Without it, channels would be pooled across bubbles.
	if err := http2.ConfigureServer(base, s); err != nil {
		panic(err)
	}
	s.ServeConn(nc, &http2.ServeConnOpts{
		BaseConfig: base,
		Handler:    http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
	})
}

// differences is where we and x/net do not agree, and why. What is here is left
// out of FuzzDifferential by composer.isDisputed.
var differences = []struct {
	name, ours, theirs, reason string
	write                      func(c *composer)
}{
	{"RST_STREAM on an idle stream, others in use", "stream errors on []", "connection error",
		"section 5.1 asks for theirs; C-core's client sends it, and would lose all its calls",
		func(c *composer) { c.request(1); _ = c.framer.WriteRSTStream(9, 0) }},
	{"PRIORITY of a wrong length", "stream errors on [1]", "connection error",
		"section 6.3: a stream error of type FRAME_SIZE_ERROR",
		func(c *composer) {
			c.request(1)
			_ = c.framer.WriteRawFrame(http2.FramePriority, 0, 1, make([]byte, 4))
		}},
	{"PRIORITY that makes an idle stream depend on itself", "connection error", "stream errors on [9]",
		"section 6.4: RST_STREAM must not be sent for an idle stream",
		func(c *composer) { _ = c.framer.WritePriority(9, http2.PriorityParam{StreamDep: 9}) }},
	{"WINDOW_UPDATE of 0 for an idle stream", "connection error", "stream errors on [9]",
		"section 5.1: no other frame than HEADERS and PRIORITY on an idle stream",
		func(c *composer) { _ = c.framer.WriteWindowUpdate(9, 0) }},
	{"INITIAL_WINDOW_SIZE that takes a stream's window past 2^31-1", "connection error", "stream errors on []",
		"section 6.9.2: a connection error of type FLOW_CONTROL_ERROR", func(c *composer) {
			c.request(1)
			_ = c.framer.WriteWindowUpdate(1, 1000)
			_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		}},
	{"malformed field, and the block goes on", "stream errors on [1]", "connection error",
		"section 8.1.1: a stream error; x/net decodes no further", func(c *composer) {
			_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 3)})
			_ = c.framer.WriteContinuation(1, false, make([]byte, 3))
			_ = c.framer.WriteContinuation(1, true, make([]byte, 3))
		}},
	{"connection-specific field", "stream errors on [1]", "stream errors on []",
		"section 8.2.2: malformed", func(c *composer) { c.request(1, "connection", "close") }},
	{"TE other than trailers", "stream errors on [1]", "stream errors on []",
		"section 8.2.2: malformed", func(c *composer) { c.request(1, "te", "gzip") }},
	{"content-length and no DATA", "stream errors on [1]", "stream errors on []",
		"section 8.1.1: malformed", func(c *composer) {
			c.request(1, "content-length", "5")
			_ = c.framer.WriteData(1, true, nil)
		}},
	{"DATA on a stream whose request was malformed", "stream errors on [1]", "connection error",
		"section 5.1: after RST_STREAM is sent, what was under way is to be ignored", func(c *composer) {
			c.headers(1, false, "x", "y", ":method", "POST")
			_ = c.framer.WriteData(1, false, []byte("x"))
		}},
	{"an identifier below that of a malformed request", "connection error", "stream errors on [5]",
		"section 5.1.1: greater than all streams that were opened", func(c *composer) {
			c.headers(5, false, "x", "y", ":method", "POST")
			c.request(3)
		}},
	{"DATA on an idle stream after GOAWAY from the client", "connection error", "stream errors on []",
		"section 6.8: GOAWAY is about the streams of its receiver", func(c *composer) {
			_ = c.framer.WriteGoAway(0, 0, nil)
			_ = c.framer.WriteData(9, false, []byte("x"))
		}},
}

// request opens a stream that stays open.
func (c *composer) request(id uint32, more ...string) {
	c.headers(id, false, append([]string{":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a"}, more...)...)
}

func TestDifferences(t *testing.T) {
	for _, d := range differences {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := compose(nil)
				d.write(c)
				ours, theirs := judge(t, oursServes, c.Bytes()).class(), judge(t, theirsServes, c.Bytes()).class()
				if ours != d.ours || theirs != d.theirs {
					t.Errorf("ours: %s, want %s (%s)\ntheirs: %s, was %s", ours, d.ours, d.reason, theirs, d.theirs)
				}
			})
		})
	}
}

// FuzzDifferential gives the same frames to our server and to x/net's: they must
// agree on which streams are reset, and on whether the connection ends.
func FuzzDifferential(f *testing.F) {
	for kind := range byte(13) {
		for a := range byte(10) {
			f.Add([]byte{0, 0, 0, kind, a, 0})
			f.Add([]byte{0, 0, 0, kind, a, 1})
			f.Add([]byte{0, 0, 1, kind, a, 2, kind, a, 3})
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		synctest.Test(t, func(t *testing.T) {
			c := compose(input)
			ours, theirs := judge(t, oursServes, c.Bytes()), judge(t, theirsServes, c.Bytes())
			if ours.class() != theirs.class() {
				t.Errorf("%s\nours: %s, %v\ntheirs: %s, %v", c, ours.class(), ours, theirs.class(), theirs)
			}
		})
	})
}
