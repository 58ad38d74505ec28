package call

import (
	"net"
	"testing"
)

func TestPeerString(t *testing.T) {
	for want, addr := range map[string]net.Addr{
		"unknown":                nil,
		"ipv4:192.0.2.1:443":     &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
		"ipv6:[2001:db8::1]:443": &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443},
		"unix:/run/x.sock":       &net.UnixAddr{Name: "/run/x.sock", Net: "unix"},
	} {
		if got := (Peer{Addr: addr}).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMethod(t *testing.T) {
	m := Method[int, string]{Name: "/pkg.Service/Do", Shape: BidiStream}
	if m.Service() != "pkg.Service" || m.Base() != "Do" ||
		m.String() != "/pkg.Service/Do (bidi stream)" || !m.Shape.ManyRequests() || !m.Shape.ManyResponses() {
		t.Errorf("got %v: %s, %s", m, m.Service(), m.Base())
	}
	for _, bad := range []string{"", "/", "//", "pkg.Service/Do", "/Do", "/pkg.Service/", "//Do"} {
		if _, _, ok := SplitMethod(bad); ok {
			t.Errorf("%q was split", bad)
		}
	}
}

func TestNames(t *testing.T) {
	for k := range numOpKinds {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	if got := OpKind(9).String() + " " + Shape(9).String(); got != "OpKind(9) Shape(9)" {
		t.Error(got)
	}
}
