package conformance

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// everyByte is all values a byte has: what a "-bin" value may hold.
var everyByte = func() string {
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
		"x-binary-bin", everyByte,
		"x-several-bin", "\x00\x01", "x-several-bin", "", "x-several-bin", "\xff,\xfe",
	)
}

// wantMetadata fails unless got has the values of all keys of sent, in order.
func wantMetadata(t *testing.T, where string, got, sent cqrpc.Metadata) {
	t.Helper()
	for _, p := range sent {
		if g, s := got.Values(p.Key), sent.Values(p.Key); !slices.Equal(g, s) {
			t.Errorf("%s: %s is %q, want %q", where, p.Key, g, s)
		}
	}
}

func customMetadata(t *testing.T, p *pairing) {
	var header, trailer cqrpc.Metadata
	sent := cqrpc.Pairs(
		testservice.EchoInitialKey, "test_initial_metadata_value",
		testservice.EchoTrailingKey, "\x0a\x0b\x0a\x0b\x0a\x0b",
	)
	_, err := p.connect(t, nil).UnaryCall(within(t), new(testpb.SimpleRequest), options{
		metadata: sent, header: &header, trailer: &trailer,
	})
	want(t, "UnaryCall", err)
	wantMetadata(t, "initial", header, sent[:1])
	wantMetadata(t, "trailing", trailer, sent[1:])
}

// mirror wants rich metadata and answers with it, initial and trailing.
func mirror() *testservice.Service {
	reflect := func(c testservice.Call) error {
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
	s := testservice.New()
	s.UnaryCall = func(c testservice.Call, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return new(testpb.SimpleResponse), reflect(c)
	}
	s.FullDuplexCall = func(
		c testservice.Call, _ testservice.Receiver[outputRequest], out testservice.Sender[outputResponse],
	) error {
		if err := reflect(c); err != nil {
			return err
		}
		return out.Send(new(outputResponse))
	}
	return s
}

func metadataBothWays(t *testing.T, p *pairing) {
	var header, trailer cqrpc.Metadata
	_, err := p.connect(t, mirror()).UnaryCall(within(t), new(testpb.SimpleRequest), options{
		metadata: rich(), header: &header, trailer: &trailer,
	})
	want(t, "UnaryCall", err)
	wantMetadata(t, "initial", header, rich())
	wantMetadata(t, "trailing", trailer, rich())
}

func metadataOfStream(t *testing.T, p *pairing) {
	s := begin[duplex](t)(p.connect(t, mirror()).FullDuplexCall(within(t), options{metadata: rich()}))
	header, err := s.Header()
	want(t, "Header", err)
	wantMetadata(t, "initial", header, rich())
	_, err = s.Recv()
	want(t, "Recv", err)
	_, err = s.Recv()
	wantEnd(t, "after the response", err)
	wantMetadata(t, "trailing", s.Trailer(), rich())
}

func earlyHeader(t *testing.T, p *pairing) {
	service := testservice.New()
	seen := make(chan struct{})
	service.FullDuplexCall = func(
		c testservice.Call, _ testservice.Receiver[outputRequest], _ testservice.Sender[outputResponse],
	) error {
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
	s := begin[duplex](t)(p.connect(t, service).FullDuplexCall(within(t), options{}))
	header, err := s.Header()
	want(t, "Header", err)
	wantMetadata(t, "initial", header, cqrpc.Pairs("x-early", "yes"))
	close(seen)
	_, err = s.Recv()
	wantEnd(t, "after the header was seen", err)
}

// With nothing sent before, the status and its metadata are the whole response:
// one header block (gRPC over HTTP/2, Trailers-Only).
func trailerWithError(t *testing.T, p *pairing) {
	service := testservice.New()
	service.UnaryCall = func(c testservice.Call, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		if err := c.SetTrailer(rich()); err != nil {
			return nil, err
		}
		return nil, cqrpc.Errorf(cqrpc.CodeAborted, "with metadata")
	}
	var trailer cqrpc.Metadata
	_, err := p.connect(t, service).UnaryCall(within(t), new(testpb.SimpleRequest), options{trailer: &trailer})
	wantCode(t, "UnaryCall", err, cqrpc.CodeAborted)
	wantMetadata(t, "trailing", trailer, rich())
}

func longMetadata(t *testing.T, p *pairing) {
	sent := cqrpc.Pairs(
		testservice.EchoInitialKey, strings.Repeat("long ", 2000)+"end",
		testservice.EchoTrailingKey, string(noise(5000, 1)),
	)
	wantEcho(t, p.connect(t, nil), sent[:1])
	wantEcho(t, p.connect(t, nil), sent[1:])
}

// wantEcho makes a call with metadata, which the service echoes.
func wantEcho(t *testing.T, c caller, md cqrpc.Metadata) {
	t.Helper()
	var header, trailer cqrpc.Metadata
	_, err := c.UnaryCall(within(t), new(testpb.SimpleRequest), options{
		metadata: md, header: &header, trailer: &trailer,
	})
	want(t, "UnaryCall", err)
	wantMetadata(t, "initial and trailing", slices.Concat(header, trailer), md)
}

// A value that is new with every call, and long, turns the HPACK tables of both
// directions over many times (RFC 7541 section 4.4).
func changingMetadata(t *testing.T, p *pairing) {
	c := p.connect(t, nil)
	for i := range 100 {
		wantEcho(t, c, cqrpc.Pairs(
			testservice.EchoInitialKey, strings.Repeat(strconv.Itoa(i), 100+7*i),
			testservice.EchoTrailingKey, string(noise(i, uint64(i))),
		))
	}
}
