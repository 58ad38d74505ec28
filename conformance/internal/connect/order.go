package connect

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// Never is a time or a number of responses that does not come.
const Never = -1

// Order is one call that a client is to make, and the report about it.
type Order struct {
	request *connectpb.ClientCompatRequest
	result  connectpb.ClientResponseResult
	// CancelUnclosed says to cancel instead of ending the requests.
	CancelUnclosed bool
	// CancelAfterClose is how long after the end of the requests to cancel.
	CancelAfterClose time.Duration
	// CancelAfterResponses is after how many responses to cancel.
	CancelAfterResponses int
}

// NewOrder judges a request; the error is for the suite.
func NewOrder(r *connectpb.ClientCompatRequest) (*Order, error) {
	o := &Order{request: r, CancelAfterClose: Never, CancelAfterResponses: Never}
	if r.GetRawRequest() != nil {
		return nil, errors.New("raw requests are for the reference client")
	}
	if r.GetProtocol() != connectpb.Protocol_PROTOCOL_GRPC {
		return nil, fmt.Errorf("protocol %v is not gRPC", r.GetProtocol())
	}
	hasOne := r.GetStreamType() == connectpb.StreamType_STREAM_TYPE_UNARY ||
		r.GetStreamType() == connectpb.StreamType_STREAM_TYPE_SERVER_STREAM
	if n := len(r.GetRequestMessages()); hasOne && n != 1 {
		return nil, fmt.Errorf("%v with %d requests", r.GetStreamType(), n)
	}
	switch c := r.GetCancel(); t := c.GetCancelTiming().(type) {
	case *connectpb.ClientCompatRequest_Cancel_BeforeCloseSend:
		o.CancelUnclosed = true
	case *connectpb.ClientCompatRequest_Cancel_AfterCloseSendMs:
		o.CancelAfterClose = milliseconds(t.AfterCloseSendMs)
	case *connectpb.ClientCompatRequest_Cancel_AfterNumResponses:
		o.CancelAfterResponses = int(t.AfterNumResponses)
	case nil:
		if c != nil {
			o.CancelAfterClose = 0
		}
	}
	return o, nil
}

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

// Method is the full name of the method to call.
func (o *Order) Method() string {
	name := o.request.GetService()
	if name == "" {
		name = service
	}
	return "/" + name + "/" + o.request.GetMethod()
}

// Timeout is that of the call; false if it has none.
func (o *Order) Timeout() (time.Duration, bool) {
	return milliseconds(o.request.GetTimeoutMs()), o.request.TimeoutMs != nil
}

// Metadata is what to send.
func (o *Order) Metadata() cqrpc.Metadata { return metadataOf(o.request.GetRequestHeaders()) }

// IsFullDuplex reports whether a response is to be read after each request.
func (o *Order) IsFullDuplex() bool {
	return o.request.GetStreamType() == connectpb.StreamType_STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
}

// IsJSON reports which of the suite's two codecs to use.
func (o *Order) IsJSON() bool { return o.request.GetCodec() == connectpb.Codec_CODEC_JSON }

// Encoding is the grpc-encoding of requests.
func (o *Order) Encoding() string { return Encoding(o.request.GetCompression()) }

// MaxRecv bounds a response in bytes; 0 is the default.
func (o *Order) MaxRecv() int { return int(o.request.GetMessageReceiveLimit()) }

// Requests is how many requests to send.
func (o *Order) Requests() int { return len(o.request.GetRequestMessages()) }

// Delay is how long to wait before each request.
func (o *Order) Delay() time.Duration { return milliseconds(o.request.GetRequestDelayMs()) }

// Request sets m to the request number i. The error is for the suite.
func (o *Order) Request(i int, m proto.Message) error {
	return o.request.GetRequestMessages()[i].UnmarshalTo(m)
}

// Unsent reports that the request number i and those after it were not sent.
func (o *Order) Unsent(i int) { o.result.NumUnsentRequests = int32(o.Requests() - i) }

// Received reports a response and whether the call is to be cancelled now.
func (o *Order) Received(p *connectpb.ConformancePayload) (cancel bool) {
	o.result.Payloads = append(o.result.Payloads, p)
	return len(o.result.GetPayloads()) == o.CancelAfterResponses
}

// Ended reports the end of the call; a nil err is OK.
func (o *Order) Ended(header, trailer cqrpc.Metadata, err error) {
	o.result.ResponseHeaders, o.result.ResponseTrailers = headersOf(header), headersOf(trailer)
	o.result.Error = errorOf(err)
}

// Report is for the suite. An err says that the call could not be tried.
func Report(r *connectpb.ClientCompatRequest, o *Order, err error) *connectpb.ClientCompatResponse {
	answer := &connectpb.ClientCompatResponse{TestName: r.GetTestName()}
	if err != nil {
		answer.Result = &connectpb.ClientCompatResponse_Error{Error: &connectpb.ClientErrorResult{Message: err.Error()}}
	} else {
		answer.Result = &connectpb.ClientCompatResponse_Response{Response: &o.result}
	}
	return answer
}
