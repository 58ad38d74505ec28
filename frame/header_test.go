package frame

import (
	"errors"
	"testing"
)

func headersOf(end bool, kv ...string) *Headers {
	h := &Headers{StreamID: 5, End: end}
	for i := 0; i < len(kv); i += 2 {
		h.Fields = append(h.Fields, Field{Name: kv[i], Value: kv[i+1]})
	}
	return h
}

// checkMalformed checks an error of a Check function; want "" means none.
func checkMalformed(t *testing.T, err error, want string) {
	t.Helper()
	checkText(t, err, want)
	var se *StreamError
	if err != nil && (!errors.As(err, &se) || se.StreamID != 5 || se.Code != ProtocolError) {
		t.Errorf("error %v, want PROTOCOL_ERROR of stream 5", err)
	}
}

func TestCheckRequest(t *testing.T) {
	whole := []string{":method", "POST", ":scheme", "http", ":path", "/s/m"}
	tests := []struct {
		name   string
		fields []string
		want   string
	}{
		{"least", whole, ""},
		{"authority", append(whole[:6:6], ":authority", "a"), ""},
		{"te", append(whole[:6:6], "te", "trailers"), ""},
		{"te, upper case", append(whole[:6:6], "te", "Trailers"), ""},
		{"te, other", append(whole[:6:6], "te", "gzip"), "connection-specific header field te"},
		{"te, more", append(whole[:6:6], "te", "trailers, gzip"), "te"},
		{"no method", whole[2:], "request without :method"},
		{"no scheme", append(whole[:2:2], whole[4:]...), "request without :scheme"},
		{"no path", whole[:4], "request without :path"},
		{"nothing", nil, "request without :method"},
		{"empty path", append(whole[:5:5], ""), "empty :path"},
		{"status", append(whole[:6:6], ":status", "200"), "request with :status"},
		{"two methods", append(whole[:6:6], ":method", "GET"), `":method"`},
		{"connection", append(whole[:6:6], "connection", "close"), "field connection"},
		{"keep-alive", append(whole[:6:6], "keep-alive", "1"), "field keep-alive"},
		{"proxy-connection", append(whole[:6:6], "proxy-connection", "1"), "field proxy-connection"},
		{"transfer-encoding", append(whole[:6:6], "transfer-encoding", "chunked"), "field transfer-encoding"},
		{"upgrade", append(whole[:6:6], "upgrade", "h2c"), "field upgrade"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkMalformed(t, CheckRequest(headersOf(false, test.fields...)), test.want)
		})
	}
}

func TestCheckResponse(t *testing.T) {
	tests := []struct {
		name   string
		end    bool
		fields []string
		want   string
	}{
		{"ok", false, []string{":status", "200", "content-type", "application/grpc"}, ""},
		{"trailers only", true, []string{":status", "200", "grpc-status", "0"}, ""},
		{"informational", false, []string{":status", "103"}, ""},
		{"informational with END_STREAM", true, []string{":status", "100"}, "informational"},
		{"switching protocols", false, []string{":status", "101"}, "101"},
		{"none", false, []string{"a", "b"}, "without :status"},
		{"two digits", false, []string{":status", "20"}, `:status "20"`},
		{"four digits", false, []string{":status", "2000"}, `"2000"`},
		{"letters", false, []string{":status", "2oo"}, `"2oo"`},
		{"leading zero", false, []string{":status", "020"}, `"020"`},
		{"request field", false, []string{":status", "200", ":path", "/"}, "response with :path"},
		{"connection", false, []string{":status", "200", "connection", "close"}, "connection"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkMalformed(t, CheckResponse(headersOf(test.end, test.fields...)), test.want)
		})
	}
}

func TestCheckTrailers(t *testing.T) {
	tests := []struct {
		name   string
		end    bool
		fields []string
		want   string
	}{
		{"ok", true, []string{"grpc-status", "0"}, ""},
		{"empty", true, nil, ""},
		{"not the end", false, []string{"grpc-status", "0"}, "without END_STREAM"},
		{"pseudo", true, []string{":status", "200"}, "trailers with :status"},
		{"upgrade", true, []string{"upgrade", "x"}, "upgrade"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkMalformed(t, CheckTrailers(headersOf(test.end, test.fields...)), test.want)
		})
	}
}

func TestChecksReportTheBlocksError(t *testing.T) {
	h := headersOf(true)
	h.Err = streamErrorf(5, EnhanceYourCalm, "too large")
	for _, check := range []func(*Headers) error{CheckRequest, CheckResponse, CheckTrailers} {
		if err := check(h); err != h.Err {
			t.Errorf("got %v, want %v", err, h.Err)
		}
	}
}
