package serviceconfig_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/client/serviceconfig"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	first  = call.Method[[]byte, []byte]{Name: "/test.A/First"}
	second = call.Method[[]byte, []byte]{Name: "/test.A/Second"}
	other  = call.Method[[]byte, []byte]{Name: "/test.B/First"}
)

// desk is a server that answers a request "large" with 1000 bytes, "busy" with UNAVAILABLE, and any other
// with the time that the call has left.
type desk struct {
	channel *client.Channel
	calls   atomic.Int32
}

// play runs a test in a bubble with a channel that has the config.
func play(t *testing.T, config string, test func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts, err := serviceconfig.Options(config)
		if err != nil {
			t.Fatal(err)
		}
		d := new(desk)
		s := server.New(server.WithCodecs(codec.Bytes()))
		for _, m := range []call.Method[[]byte, []byte]{first, second, other} {
			if err := s.Register(server.Unary(m, d.answer)); err != nil {
				t.Fatal(err)
			}
		}
		l := memconn.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }
		d.channel, err = client.NewChannel("passthrough:///desk",
			append(opts, client.WithInsecure(), client.WithCodec(codec.Bytes()), client.WithDialer(dial))...)
		if err != nil {
			t.Fatal(err)
		}
		test(t, d)
		if err := d.channel.Close(); err != nil {
			t.Error(err)
		}
		s.Close()
		<-served
	})
}

func (d *desk) answer(ctx context.Context, req *[]byte) (*[]byte, error) {
	d.calls.Add(1)
	var res []byte
	switch string(*req) {
	case "large":
		res = make([]byte, 1000)
	case "busy":
		return nil, cqrpc.Errorf(cqrpc.CodeUnavailable, "busy")
	default:
		left := time.Duration(0)
		if end, ok := ctx.Deadline(); ok {
			left = time.Until(end)
		}
		res = []byte(left.String())
	}
	return &res, nil
}

// want wants a call to be answered.
func (d *desk) want(t *testing.T, why string, m call.Method[[]byte, []byte], want string, opts ...client.CallOption) {
	t.Helper()
	var req []byte
	res, err := client.Unary(t.Context(), d.channel, m, &req, opts...)
	if err != nil || string(*res) != want {
		t.Errorf("%s: %s = %q, %v; want %q", why, m.Name, res, err, want)
	}
}

// wantCode wants a call to fail at the desk's so many-th attempt.
func (d *desk) wantCode(
	t *testing.T, why string, m call.Method[[]byte, []byte], req string, want cqrpc.Code, attempts int32,
) {
	t.Helper()
	d.calls.Store(0)
	body := []byte(req)
	_, err := client.Unary(t.Context(), d.channel, m, &body)
	if got := cqrpc.CodeOf(err); got != want {
		t.Errorf("%s: %s: %v; want %v", why, m.Name, err, want)
	}
	if got := d.calls.Load(); got != attempts {
		t.Errorf("%s: %s: %d attempts; want %d", why, m.Name, got, attempts)
	}
}

// The most specific name counts, and alone.
func TestTimeouts(t *testing.T) {
	play(t, `{"methodConfig": [
		{"name": [{}], "timeout": "1.500000000s"},
		{"name": [{"service": "test.A"}, {"service": "test.C", "method": "X"}], "timeout": "20s"},
		{"name": [{"service": "test.A", "method": "Second"}], "waitForReady": true}]}`,
		func(t *testing.T, d *desk) {
			d.want(t, "the default", other, "1.5s")
			d.want(t, "of the service", first, "20s")
			d.want(t, "the method has none", second, "0s")
			d.want(t, "the call's own", first, "3s", client.WithTimeout(3*time.Second))
		})
}

func TestLimits(t *testing.T) {
	play(t, `{"methodConfig": [
		{"name": [{"service": "test.A", "method": "First"}], "maxRequestMessageBytes": 5, "maxResponseMessageBytes": "999"},
		{"name": [{"service": "test.A", "method": "Second"}], "maxResponseMessageBytes": 4294967295}]}`,
		func(t *testing.T, d *desk) {
			d.wantCode(t, "a small request", first, "busy", cqrpc.CodeUnavailable, 1)
			d.wantCode(t, "a large request", first, "123456", cqrpc.CodeResourceExhausted, 0)
			d.wantCode(t, "a large response", first, "large", cqrpc.CodeResourceExhausted, 1)
			d.wantCode(t, "allowed", second, "large", cqrpc.CodeOK, 1)
			d.wantCode(t, "not named", other, "large", cqrpc.CodeOK, 1)
		})
}

func TestRetries(t *testing.T) {
	play(t, `{"methodConfig": [
		{"name": [{"service": "test.A"}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s",
			"backoffMultiplier": 2, "retryableStatusCodes": ["unavailable", 10]}},
		{"name": [{"service": "test.A", "method": "Second"}], "timeout": "3s"}]}`,
		func(t *testing.T, d *desk) {
			d.wantCode(t, "of the service", first, "busy", cqrpc.CodeUnavailable, 4)
			d.wantCode(t, "the method has none", second, "busy", cqrpc.CodeUnavailable, 1)
			d.wantCode(t, "another service", other, "busy", cqrpc.CodeUnavailable, 1)
		})
}

func TestThrottling(t *testing.T) {
	play(t, `{"retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5}, "methodConfig": [
		{"name": [{}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "1s",
			"backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`,
		func(t *testing.T, d *desk) {
			d.wantCode(t, "half of the tokens are gone", first, "busy", cqrpc.CodeUnavailable, 2)
		})
}

// Without a server a call that waits for ready ends with its time.
func TestWaitForReady(t *testing.T) {
	play(t, `{"methodConfig": [{"name": [{"service": "test.A"}], "waitForReady": true, "timeout": "1s"}]}`,
		func(t *testing.T, d *desk) {
			opts, err := serviceconfig.Options(`{"methodConfig": [
				{"name": [{"service": "test.A"}], "waitForReady": true, "timeout": "1s"}]}`)
			if err != nil {
				t.Fatal(err)
			}
			refuse := func(context.Context, string, string) (net.Conn, error) { return nil, context.Canceled }
			ch, err := client.NewChannel("passthrough:///nobody",
				append(opts, client.WithInsecure(), client.WithCodec(codec.Bytes()), client.WithDialer(refuse))...)
			if err != nil {
				t.Fatal(err)
			}
			d.channel.Close()
			d.channel = ch
			d.wantCode(t, "it waits", first, "", cqrpc.CodeDeadlineExceeded, 0)
			d.wantCode(t, "it does not", other, "", cqrpc.CodeUnavailable, 0)
		})
}

func TestEmptyConfig(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"methodConfig": []}`, `{"methodConfig": null, "loadBalancingConfig": null}`,
		`{"methodConfig": [{"timeout": "1s"}]}`, `{"healthCheckConfig": null, "future": [1]}`,
	} {
		if opts, err := serviceconfig.Options(text); err != nil || len(opts) != 0 {
			t.Errorf("%s: %d options, %v; want none", text, len(opts), err)
		}
	}
}

// The first policy that channels have counts: pick_first makes one connection, the others one to each address.
func TestBalancing(t *testing.T) {
	for text, want := range map[string]int32{
		`{}`: 1,
		`{"loadBalancingConfig": [{"round_robin": {}}]}`:                                                         2,
		`{"loadBalancingConfig": [{"weighted_round_robin": {"x": 1}}, {"round_robin": {}}, {"pick_first": {}}]}`: 2,
		`{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": false}}, {"round_robin": {}}]}`:          1,
		`{"loadBalancingConfig": [{"least_request_experimental": {"choiceCount": 3}}]}`:                          2,
		`{"loadBalancingPolicy": "ROUND_ROBIN"}`:                                                                 2,
		`{"loadBalancingPolicy": "grpclb", "loadBalancingConfig": [{"pick_first": null}]}`:                       1,
	} {
		synctest.Test(t, func(t *testing.T) {
			opts, err := serviceconfig.Options(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			names := new(resolver.Manual)
			names.Report(resolver.Addresses("192.0.2.1:1", "192.0.2.2:1"), nil)
			var dialed atomic.Int32
			dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
				dialed.Add(1)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			ch, err := client.NewChannel("names", append(opts, client.WithInsecure(), client.WithDialer(dial),
				client.WithResolver(names))...)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			ch.Connect()
			synctest.Wait()
			if got := dialed.Load(); got != want {
				t.Errorf("%s: %d connections; want %d", text, got, want)
			}
			if err := ch.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNotValid(t *testing.T) {
	retry := func(changed string) string {
		policy := `{"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]` + changed + `}`
		return `{"methodConfig": [{"name": [{}], "retryPolicy": ` + policy + `}]}`
	}
	method := func(field string) string { return `{"methodConfig": [{"name": [{"service": "a.B"}], ` + field + `}]}` }
	for text, want := range map[string]string{
		``:                                                          "end of JSON",
		`{} {}`:                                                     "after top-level value",
		`[]`:                                                        "cannot unmarshal array",
		`{"methodConfig": {}}`:                                      "cannot unmarshal object",
		method(`"timeout": 1`):                                      "1 is no duration",
		method(`"timeout": "1"`):                                    "no duration",
		method(`"timeout": "1m"`):                                   "no duration",
		method(`"timeout": "1h1s"`):                                 "no duration",
		method(`"timeout": "+1s"`):                                  "no duration",
		method(`"timeout": "0.0000000001s"`):                        "no duration",
		method(`"timeout": "99999999999s"`):                         "no duration",
		method(`"timeout": "0s"`):                                   "timeout: want more than zero",
		method(`"timeout": "-1s"`):                                  "timeout: want more than zero",
		method(`"maxRequestMessageBytes": -1`):                      "maxRequestMessageBytes: -1 is not a whole number",
		method(`"maxRequestMessageBytes": 0`):                       "maxRequestMessageBytes: want more than zero",
		method(`"maxResponseMessageBytes": 1.5`):                    "maxResponseMessageBytes: 1.5 is not a whole number",
		method(`"maxResponseMessageBytes": 4294967296`):             "not a whole number up to 4294967295",
		method(`"maxResponseMessageBytes": "x"`):                    `"x" is no number`,
		`{"methodConfig": [{"name": [{"method": "X"}]}]}`:           `method "X" without a service`,
		`{"methodConfig": [{"name": [{}]}, {"name": [{}]}]}`:        "two for service",
		retry(`, "maxAttempts": 1`):                                 "MaxAttempts is 1",
		retry(`, "maxAttempts": 2.5`):                               "maxAttempts: 2.5 is not a whole number",
		retry(`, "initialBackoff": "0s"`):                           "InitialBackoff",
		retry(`, "backoffMultiplier": 0`):                           "BackoffMultiplier",
		retry(`, "retryableStatusCodes": []`):                       "no Codes",
		retry(`, "retryableStatusCodes": ["OK"]`):                   "a call cannot fail with OK",
		retry(`, "retryableStatusCodes": ["BUSY"]`):                 `"BUSY" is no status code`,
		retry(`, "retryableStatusCodes": [17]`):                     "17 is no status code",
		`{"retryThrottling": {}}`:                                   "maxTokens is 0",
		`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 1}}`: "want 1 to 1000",
		`{"retryThrottling": {"maxTokens": 10}}`:                    "TokenRatio is 0",
		`{"loadBalancingConfig": [{"xds": {}}, {"rls": {}}]}`:       "channels have none of xds, rls",
		`{"loadBalancingConfig": [{}]}`:                             "0 policies; want 1",
		`{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}`:       "keep the order",
		`{"loadBalancingConfig": [{"least_request_experimental": {"choiceCount": 1}}]}`: "want at least 2",
		`{"loadBalancingConfig": [{"round_robin": []}]}`:                                "round_robin: json",
		`{"loadBalancingPolicy": "grpclb"}`:                                             "channels have no grpclb",
	} {
		opts, err := serviceconfig.Options(text)
		if err == nil || !strings.HasPrefix(err.Error(), "service config: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d options, %v; want an error with %q", text, len(opts), err, want)
		}
	}
}

// A healthCheckConfig is an option, with or without a name; what it does, conformance.TestHealthChecks says.
func TestHealthCheckConfig(t *testing.T) {
	for text, want := range map[string]int{
		`{"healthCheckConfig": {"serviceName": "x"}}`: 1, `{"healthCheckConfig": {}}`: 1, `{"healthCheckConfig": null}`: 0,
	} {
		if opts, err := serviceconfig.Options(text); err != nil || len(opts) != want {
			t.Errorf("%s: %d options, %v; want %d", text, len(opts), err, want)
		}
	}
}
