package parity

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
)

// Caller is a client of Service. Errors other than io.EOF are *cqrpc.Error,
// whoever made them.
type Caller interface {
	Unary(ctx context.Context, req []byte, o Options) ([]byte, error)
	ServerStream(ctx context.Context, req []byte, o Options) (Output, error)
	ClientStream(ctx context.Context, o Options) (Input, error)
	BidiStream(ctx context.Context, o Options) (Duplex, error)
	Close() error
}

// Output is a call with many responses.
type Output interface {
	// Recv returns io.EOF after the last response of a call that ended OK, else
	// the call's error.
	Recv() ([]byte, error)
	// Header waits for the initial metadata.
	Header() (cqrpc.Metadata, error)
	// Trailer is the trailing metadata, after Recv has returned an error.
	Trailer() cqrpc.Metadata
}

// Input is a call with many requests and one response.
type Input interface {
	// Send returns io.EOF if the call has ended.
	Send(req []byte) error
	CloseAndRecv() ([]byte, error)
}

// Duplex is a call with many of both. One goroutine may send while another
// receives.
type Duplex interface {
	Output
	Send(req []byte) error
	CloseSend() error
}

// Options of one call.
type Options struct {
	Method           string // full name; "": that of Service for the shape
	Metadata         cqrpc.Metadata
	Header, Trailer  *cqrpc.Metadata // calls with one response: where to put the response's
	Gzip             bool            // compress requests
	MaxRecv, MaxSend int             // bytes, 0: the default
	WaitForReady     bool
}

// named is the method to call, m if no other is asked for.
func (o Options) named(m method) method {
	if o.Method != "" {
		m.Name = o.Method
	}
	return m
}

// Dialing says how to connect.
type Dialing struct {
	Address     string
	Credentials *Credentials      // nil: plaintext
	Window      int               // receive window of streams and, at least, of the connection, fixed; 0: as it comes
	UserAgent   string            // product, "": none
	Authority   string            // "": the address
	Retry       *call.RetryPolicy // of all calls; nil: none
	Options     []client.Option   // besides, for callers of this library
}

// CallerKind makes clients of one style.
type CallerKind struct {
	Name  string
	Dial  func(Dialing) (Caller, error)
	Lacks []Feature
}

// Feature is something that not every peer can do.
type Feature string

const (
	// TryCancel is the server's end of a call with CANCELLED from anywhere.
	TryCancel Feature = "TryCancel"
	// Cardinality is UNIMPLEMENTED for a message too many or too few.
	Cardinality Feature = "cardinality"
	// Encoding is a message that is encoded once for many streams: BufferSender.
	Encoding Feature = "encoding"
	// Pause is CANCELLED for who cancels between two attempts. grpc-go may tell of the first.
	Pause Feature = "cancel between attempts"
	// HostFilter and CallerFilter are filters, at servers and at clients of this library.
	HostFilter   Feature = "filters of servers"
	CallerFilter Feature = "filters of clients"
)

// ping makes a call that is not what the scenario is about.
func ping(ctx context.Context, c Caller, o Options) error {
	o.Method = pingMethod.Name
	_, err := c.Unary(ctx, nil, o)
	return err
}

// answer is the metadata of a response.
type answer interface {
	Header() (cqrpc.Metadata, error)
	Trailer() cqrpc.Metadata
}
