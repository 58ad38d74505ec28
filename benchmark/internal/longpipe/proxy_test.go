package longpipe

import (
	"errors"
	"io"
	"net"
	"testing"
)

// fast is a link that takes no time worth noting.
var fast = Link{Rate: 1e12, Buffer: 1 << 20}

// echo serves one connection: all that it reads, once that has ended.
func echo(t *testing.T) (addr string) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		nc, err := lis.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		data, _ := io.ReadAll(nc)
		_, _ = nc.Write(data)
	}()
	t.Cleanup(func() {
		lis.Close()
		<-ended
	})
	return lis.Addr().String()
}

func proxied(t *testing.T, target string) net.Conn {
	p, err := Listen(target, fast)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	nc, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func TestBothDirectionsAndTheirEndsAreCarried(t *testing.T) {
	nc := proxied(t, echo(t))
	if _, err := nc.Write(make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(nc); len(got) != 300_000 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAConnectionToNobodyEnds(t *testing.T) {
	nc := proxied(t, "127.0.0.1:1") // tcpmux; a port that was free a moment ago may be somebody's by now
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("a byte from nobody")
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	p, err := Listen(echo(t), fast)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	p.Close()
	p.Close() // again: nothing
	if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}
