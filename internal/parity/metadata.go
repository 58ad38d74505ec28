package parity

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// EveryByte is all values a byte has: what a "-bin" value may hold.
var EveryByte = func() string {
	var b [256]byte
	for i := range b {
		b[i] = byte(i)
	}
	return string(b[:])
}()

// rich is metadata with all that is allowed (gRPC over HTTP/2, Custom-Metadata).
func rich() cqrpc.Metadata {
	return cqrpc.Pairs(
		"x-ascii", "plain",
		"x-several", "one", "x-several", "two", "x-several", "one",
		"x-inner-spaces", "a  b c",
		"x-printable", "!\"#$%&'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~",
		"x_under.score-1", "key characters",
		"x-binary-bin", EveryByte,
		"x-several-bin", "\x00\x01", "x-several-bin", "", "x-several-bin", "\xff,\xfe",
	)
}

func customMetadata(t *testing.T, p *Pairing) {
	var header, trailer cqrpc.Metadata
	sent := cqrpc.Pairs(
		echoInitialKey, "test_initial_metadata_value",
		echoTrailingKey, "\x0a\x0b\x0a\x0b\x0a\x0b",
	)
	_, err := p.Connect(t, nil).Unary(Within(t), nil, Options{
		Metadata: sent, Header: &header, Trailer: &trailer,
	})
	Want(t, "Unary", err)
	WantMetadata(t, "initial", header, sent[:1])
	WantMetadata(t, "trailing", trailer, sent[1:])
}

// mirror wants rich metadata and answers with it, initial and trailing.
func mirror() *Service {
	reflect := func(c Call) error {
		for _, p := range rich() {
			if g, s := c.Metadata().Values(p.Key), rich().Values(p.Key); !slices.Equal(g, s) {
				return cqrpc.Errorf(cqrpc.CodeDataLoss, "request has %s %q, want %q", p.Key, g, s)
			}
		}
		if err := c.SetHeader(rich()); err != nil {
			return err
		}
		return c.SetTrailer(rich())
	}
	s := Standard()
	s.Unary = func(c Call, _ []byte) ([]byte, error) { return nil, reflect(c) }
	s.ServerStream = func(c Call, _ []byte, out Out) error {
		if err := reflect(c); err != nil {
			return err
		}
		return out.Send(nil)
	}
	s.ClientStream = func(c Call, _ In) ([]byte, error) { return nil, reflect(c) }
	s.BidiStream = func(c Call, _ In, out Out) error {
		if err := reflect(c); err != nil {
			return err
		}
		return out.Send(nil)
	}
	return s
}

func metadataBothWays(t *testing.T, p *Pairing) {
	c := p.Connect(t, mirror())
	for _, shape := range []string{"Unary", "ClientStream"} {
		var header, trailer cqrpc.Metadata
		o := Options{Metadata: rich(), Header: &header, Trailer: &trailer}
		if shape == "Unary" {
			_, err := c.Unary(Within(t), nil, o)
			Want(t, shape, err)
		} else {
			_, err := begin[Input](t)(c.ClientStream(Within(t), o)).CloseAndRecv()
			Want(t, shape, err)
		}
		WantMetadata(t, shape+", initial", header, rich())
		WantMetadata(t, shape+", trailing", trailer, rich())
	}
}

func metadataOfStream(t *testing.T, p *Pairing) {
	c := p.Connect(t, mirror())
	streams := []Output{
		begin[Output](t)(c.ServerStream(Within(t), nil, Options{Metadata: rich()})),
		begin[Duplex](t)(c.BidiStream(Within(t), Options{Metadata: rich()})),
	}
	for _, s := range streams {
		header, err := s.Header()
		Want(t, "Header", err)
		WantMetadata(t, "initial", header, rich())
		wantNext(t, s, nil)
		wantDone(t, s)
		WantMetadata(t, "trailing", s.Trailer(), rich())
	}
}

// A header that was set rides with the first message, and may be asked for
// after it.
func headerAfterMessage(t *testing.T, p *Pairing) {
	s := begin[Output](t)(p.Connect(t, mirror()).ServerStream(Within(t), nil, Options{Metadata: rich()}))
	wantNext(t, s, nil)
	header, err := s.Header()
	Want(t, "Header", err)
	WantMetadata(t, "initial", header, rich())
	wantDone(t, s)
}

func earlyHeader(t *testing.T, p *Pairing) {
	service := Standard()
	seen := make(chan struct{}, 1)
	early := func(c Call) error {
		if err := c.SendHeader(cqrpc.Pairs("x-early", "yes")); err != nil {
			return err
		}
		select {
		case <-seen:
			return nil
		case <-c.Context().Done():
			return c.Context().Err()
		}
	}
	service.ServerStream = func(c Call, _ []byte, _ Out) error { return early(c) }
	service.BidiStream = func(c Call, _ In, _ Out) error { return early(c) }
	c := p.Connect(t, service)
	for _, open := range []func() (Output, error){
		func() (Output, error) { return c.ServerStream(Within(t), nil, Options{}) },
		func() (Output, error) { return c.BidiStream(Within(t), Options{}) },
	} {
		s := begin[Output](t)(open())
		header, err := s.Header()
		Want(t, "Header", err)
		WantMetadata(t, "initial", header, cqrpc.Pairs("x-early", "yes"))
		seen <- struct{}{}
		wantDone(t, s)
	}
}

// Initial metadata can go out once.
func secondHeader(t *testing.T, p *Pairing) {
	service := Standard()
	refused := make(chan error, 1)
	service.BidiStream = func(c Call, _ In, out Out) error {
		if err := c.SendHeader(nil); err != nil {
			return err
		}
		refused <- c.SetHeader(cqrpc.Pairs("x-late", "yes"))
		return out.Send(nil)
	}
	s := begin[Duplex](t)(p.Connect(t, service).BidiStream(Within(t), Options{}))
	wantNext(t, s, nil)
	wantDone(t, s)
	if err := <-refused; err == nil {
		t.Error("header could be set after it was sent")
	}
	header, err := s.Header()
	Want(t, "Header", err)
	if late := header.Values("x-late"); len(late) > 0 {
		t.Errorf("x-late is %q, want it left out", late)
	}
}

// With nothing sent before, the status and its metadata are the whole response:
// one header block (gRPC over HTTP/2, Trailers-Only).
func trailerWithError(t *testing.T, p *Pairing) {
	service := Standard()
	service.Unary = func(c Call, _ []byte) ([]byte, error) {
		if err := c.SetTrailer(rich()); err != nil {
			return nil, err
		}
		return nil, cqrpc.Errorf(cqrpc.CodeAborted, "with metadata")
	}
	var trailer cqrpc.Metadata
	_, err := p.Connect(t, service).Unary(Within(t), nil, Options{Trailer: &trailer})
	WantCode(t, "Unary", err, cqrpc.CodeAborted)
	WantMetadata(t, "trailing", trailer, rich())
}

func longMetadata(t *testing.T, p *Pairing) {
	sent := cqrpc.Pairs(
		echoInitialKey, strings.Repeat("long ", 2000)+"end",
		echoTrailingKey, string(Noise(5000, 1)),
	)
	wantEcho(t, p.Connect(t, nil), sent[:1])
	wantEcho(t, p.Connect(t, nil), sent[1:])
}

// wantEcho makes a call with metadata, which the service echoes.
func wantEcho(t *testing.T, c Caller, md cqrpc.Metadata) {
	t.Helper()
	var header, trailer cqrpc.Metadata
	_, err := c.Unary(Within(t), nil, Options{Metadata: md, Header: &header, Trailer: &trailer})
	Want(t, "Unary", err)
	WantMetadata(t, "initial and trailing", slices.Concat(header, trailer), md)
}

// A client does not send what its peer has said it will not take, and a server
// that gets it all the same refuses the call: either way the call fails, the
// connection does not.
func metadataOverLimit(t *testing.T, p *Pairing) {
	c := p.Dial(t, p.Serve(t, Serving{MaxHeaderList: 4096}))
	Want(t, "Ping", ping(Within(t), c, Options{}))
	err := ping(Within(t), c, Options{Metadata: cqrpc.Pairs("x-long", strings.Repeat("long ", 2000)+"end")})
	if err == nil {
		t.Error("10 KiB of metadata passed a limit of 4 KiB")
	}
	Want(t, "the next call", ping(Within(t), c, Options{}))
}

// A value that is new with every call, and long, turns the HPACK tables of both
// directions over many times (RFC 7541 section 4.4).
func changingMetadata(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	for i := range 100 {
		wantEcho(t, c, cqrpc.Pairs(
			echoInitialKey, strings.Repeat(strconv.Itoa(i), 100+7*i),
			echoTrailingKey, string(Noise(i, uint64(i))),
		))
	}
}

// whoami is a service that tells what it knows of a call's client.
func whoami() *Service {
	s := Standard()
	s.Unary = func(c Call, _ []byte) ([]byte, error) {
		return nil, c.SetHeader(cqrpc.Pairs(
			"x-authority", c.Authority(), "x-peer", c.Peer(), "x-user-agent", c.Metadata().Get("user-agent"),
		))
	}
	return s
}

func clientIsKnown(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{Service: whoami()})
	c := p.DialAs(t, Dialing{Address: h.Address, UserAgent: "parity/1.0"})
	var header cqrpc.Metadata
	_, err := c.Unary(Within(t), nil, Options{Header: &header})
	Want(t, "Unary", err)
	if got := header.Get("x-authority"); got != h.Address {
		t.Errorf("authority %q, want the target's %q", got, h.Address)
	}
	if got := header.Get("x-peer"); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("peer %q, want an address of loopback", got)
	}
	if got := header.Get("x-user-agent"); !strings.HasPrefix(got, "parity/1.0 ") {
		t.Errorf("user-agent %q, want the product first", got)
	}
}

func authorityOverride(t *testing.T, p *Pairing) {
	h := p.Serve(t, Serving{Service: whoami()})
	c := p.DialAs(t, Dialing{Address: h.Address, Authority: "localhost"})
	var header cqrpc.Metadata
	_, err := c.Unary(Within(t), nil, Options{Header: &header})
	Want(t, "Unary", err)
	if got := header.Get("x-authority"); got != "localhost" {
		t.Errorf("authority %q, want what the client was told to ask for", got)
	}
}
