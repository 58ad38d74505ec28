package frame

import (
	"fmt"
	"testing"
)

func TestHeaderListIsEmptyWhenReused(t *testing.T) {
	for i := range 100 {
		l := NewHeaderList()
		if len(l.Fields) != 0 {
			t.Fatalf("a new list holds %v", l.Fields)
		}
		for j := range i {
			l.Add(fmt.Sprintf("k%d", j), "secret")
		}
		shared := l.Ref()
		l.Free()
		if len(shared.Fields) != i {
			t.Fatalf("the list has %d fields while it has an owner, want %d", len(shared.Fields), i)
		}
		shared.Free()
	}
	var none *HeaderList
	none.Free()
}

func TestErrorTexts(t *testing.T) {
	cause := streamErrorf(3, ProtocolError, "why")
	tests := []struct {
		got, want string
	}{
		{connErrorf(EnhanceYourCalm, "too many %s", "pings").Error(),
			"http2 connection error ENHANCE_YOUR_CALM: too many pings"},
		{cause.Error(), "http2 stream 3 error PROTOCOL_ERROR: why"},
		{(&CloseError{Kind: Violation, Err: cause}).Error(), cause.Error()},
		{(&CloseError{Kind: ResetByPeer, Code: Cancel}).Error(), "stream reset by peer with code CANCEL"},
		{fmt.Sprint(GoneAway, ConnLost, CloseKind(9)), "refused by GOAWAY connection lost CloseKind(9)"},
		{fmt.Sprint(TooLarge, BadFlag, MessageErrorKind(9)), "message too large bad compressed flag MessageErrorKind(9)"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	if (&CloseError{Err: cause}).Unwrap() != error(cause) {
		t.Error("a CloseError hides its cause")
	}
}
