package call

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/quota"
)

// request is what a server call knows from its request headers and about their sender.
// Immutable, and shared by calls of a connection whose headers are the same.
type request struct {
	settings   *Settings // by which the headers were judged
	peer       *Peer
	account    *quota.Account // is charged for messages that nobody has taken
	method     string
	authority  string
	scheme     string
	subtype    string
	accept     string // grpc-accept-encoding
	md         cqrpc.Metadata
	timeout    string           // grpc-timeout, which is well formed and not zero, or nothing
	compressor codec.Compressor // of the messages that come; nil: none
}

// readRequest checks request headers. The result is remembered with blocks that
// repeat.
func readRequest(h *frame.Headers, cfg *Config, p *Peer) (*request, error) {
	if h.Err != nil {
		return nil, refuseBlock(h.Err)
	}
	if h.Known == nil {
		return parseRequest(h, cfg, p)
	}
	if r, ok := h.Known.Note.(*request); ok && r.settings == cfg.Settings && r.peer == p {
		return r, nil
	}
	r, err := parseRequest(h, cfg, p)
	if err == nil {
		h.Known.Note = r
	}
	return r, err
}

func parseRequest(h *frame.Headers, cfg *Config, p *Peer) (*request, error) {
	var f fields
	f.parse(h)
	subtype, err := f.checkRequest()
	if err != nil {
		return nil, err
	}
	comp, err := f.checkEncoding(cfg.Settings, subtype)
	if err != nil {
		return nil, err
	}
	if _, err := deadlineOf(f.timeout); err != nil {
		return nil, err
	}
	r := &request{
		settings: cfg.Settings, peer: p, account: cfg.Account,
		method: f.path, authority: f.authority, scheme: f.scheme, subtype: subtype, accept: f.accept,
		md: slices.Clip(f.md), timeout: f.timeout, compressor: comp,
	}
	if r.authority == "" {
		r.authority = f.host
	}
	return r, nil
}

// NewServer returns the call, for a server, of a request whose headers are h, which are lent. s is its
// stream, which must report to the call's Receiver before it handles another frame; then call Start.
// p and cfg.Account are the connection's: they are kept, and p must not change. The request's
// grpc-timeout runs from now on. c is memory for the call, which is zero; nil: it is allocated.
//
// The error, a *[RequestError], says what to answer instead.
func NewServer(c *Call, cfg Config, s Stream, h *frame.Headers, p *Peer) (*Call, error) {
	if cfg.Settings == nil {
		cfg.Settings = defaultSettings()
	}
	r, err := readRequest(h, &cfg, p)
	if err != nil {
		return nil, err
	}
	if c == nil {
		c = new(Call)
	}
	cfg.Deadline, _ = deadlineOf(r.timeout)
	c.stream, c.hadStream, c.request = s, true, r
	c.init(&cfg)
	send, _ := c.chooseCompressor(c.shared().Compressor)
	c.setCodingLocked(send, r.compressor)
	c.recv.state.to(recvMessages)
	if h.End {
		c.recv.state.to(recvEnded)
	}
	return c, nil
}

// Start says that the stream reports to the call's Receiver from now on, so that the
// deadline may end the call, which sends on the stream. For the server, once NewServer
// has returned; BindCompleter implies it.
func (c *Call) Start() {
	if c.clock == nil {
		return
	}
	c.mu.Lock()
	c.armLocked()
	c.mu.Unlock()
}

func refuseBlock(err error) error {
	st := verdictOfBlock(err).status
	if st.Code == cqrpc.CodeResourceExhausted {
		return &RequestError{HTTPStatus: http.StatusRequestHeaderFieldsTooLarge, Status: st}
	}
	return refuseHTTP(http.StatusBadRequest, "%s", st.Message)
}

func refuseHTTP(status int, format string, args ...any) *RequestError {
	return &RequestError{HTTPStatus: status, Status: cqrpc.Status{
		Code: codeOfHTTP(httpStatusText(status)), Message: fmt.Sprintf(format, args...),
	}}
}

func refuse(code cqrpc.Code, format string, args ...any) *RequestError {
	return &RequestError{Status: cqrpc.Status{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// checkRequest judges whether this is a gRPC request at all (gRPC over HTTP/2,
// Request-Headers).
func (f *fields) checkRequest() (subtype string, err error) {
	subtype, isGRPC := f.isGRPC()
	switch {
	case f.method != http.MethodPost:
		return "", refuseHTTP(http.StatusMethodNotAllowed, "request has method %.64q, not POST", f.method)
	case !isGRPC:
		return "", refuseHTTP(http.StatusUnsupportedMediaType,
			"request has content-type %.64q, not %s", f.contentType, contentType)
	case f.te != "trailers":
		// The sender, or a proxy in between, would lose the status.
		return "", refuseHTTP(http.StatusUnsupportedMediaType, "request has te %.64q, not trailers", f.te)
	case f.hosts > 1:
		return "", refuseHTTP(http.StatusBadRequest, "request has %d host fields", f.hosts)
	case f.authority == "" && f.host == "":
		return "", refuseHTTP(http.StatusBadRequest, "request has neither :authority nor host")
	case !strings.HasPrefix(f.path, "/"):
		// Never routed: an access policy may have matched another spelling.
		return "", refuse(cqrpc.CodeUnimplemented, "malformed method name %.64q", f.path)
	case f.err != nil:
		return "", refuse(cqrpc.CodeInternal, "%v", f.err)
	}
	return subtype, nil
}

// checkEncoding judges whether the request's messages can be read.
func (f *fields) checkEncoding(set *Settings, subtype string) (codec.Compressor, error) {
	comp, ok := f.compressor(set.Compressors)
	if !ok {
		e := refuse(cqrpc.CodeUnimplemented, "grpc-encoding %.64q is not supported", f.encoding)
		e.Accept = set.Compressors.AcceptEncoding()
		return nil, e
	}
	if subtype != "" && subtype != set.Codec.Name() {
		return nil, refuse(cqrpc.CodeUnimplemented, "content-subtype %.64q is not supported", subtype)
	}
	return comp, nil
}

// deadlineOf is when a grpc-timeout that arrives now ends; the time it took to get here
// is not counted.
func deadlineOf(timeout string) (time.Time, error) {
	if timeout == "" {
		return time.Time{}, nil
	}
	d, err := frame.ParseTimeout(timeout)
	if err != nil {
		return time.Time{}, refuse(cqrpc.CodeInternal, "%v", err)
	}
	if d == 0 { // a handler could be faster than the timer
		return time.Time{}, &RequestError{Status: statusExpired}
	}
	return time.Now().Add(d), nil
}

// SetCompressor makes a server call send its messages in another encoding than
// that of its Settings, "identity" for none, if the client accepts it; else they
// go out as they are. It must be called before initial metadata is sent, which
// announces the encoding. It is an error if not, if the name is none of the
// Settings' Compressors, or on a client call.
func (c *Call) SetCompressor(name string) error {
	if !c.isServer() {
		return fmt.Errorf("encoding %q: a client's is chosen when the call is made", name)
	}
	comp, ok := c.chooseCompressor(name)
	if !ok {
		return fmt.Errorf("encoding %q is not among the server's, %s", name, c.shared().Compressors.AcceptEncoding())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if used := c.used | c.busy; used.has(SendInitialMetadataOp) || used.has(SendMessageOp) {
		return fmt.Errorf("encoding %q: the response has begun", name)
	}
	c.setCodingLocked(comp, c.coding.receiving())
	return nil
}

// maxAccepted is how many encodings of a client's list are read: a list may be all
// commas, and with HPACK's table it costs the client only a few octets per call.
const maxAccepted = 32

// chooseCompressor returns what to compress responses with, nil if the client did not
// list it. It reports false if the server has none of that name.
func (c *Call) chooseCompressor(want string) (codec.Compressor, bool) {
	if want == "" || want == "identity" {
		return nil, true
	}
	comp, ok := c.shared().Compressors.Lookup(want)
	left := maxAccepted
	for name := range strings.SplitSeq(c.request.accept, ",") {
		if strings.TrimSpace(name) == want {
			return comp, ok
		}
		if left--; left == 0 {
			break
		}
	}
	return nil, ok
}
