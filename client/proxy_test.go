package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/transport"
)

// fakeProxy answers CONNECT on the connections to an address of a fakeNetwork.
type fakeProxy struct {
	answer string
	then   func(net.Conn) // the server; nil: its SETTINGS come with the answer

	mu       sync.Mutex
	requests []string // guarded by mu
}

func (p *fakeProxy) serve(nc net.Conn) {
	var head strings.Builder
	for r := bufio.NewReader(nc); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
	}
	p.mu.Lock()
	p.requests = append(p.requests, head.String())
	p.mu.Unlock()
	out := bytes.NewBufferString(p.answer)
	if p.then == nil {
		_ = http2.NewFramer(out, nil).WriteSettings()
	}
	_, _ = nc.Write(out.Bytes())
	if p.then != nil {
		p.then(nc)
	}
}

func (s *scene) wantRequests(why string, p *fakeProxy, want ...string) {
	s.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.requests, want) {
		s.Fatalf("%s: the proxy was asked %q; want %q", why, p.requests, want)
	}
}

// throughProxy is what HTTPS_PROXY and NO_PROXY do.
func throughProxy(url, except string) Option {
	env := httpproxy.Config{HTTPSProxy: url, NoProxy: except}
	return optionFunc(func(c *config) { c.proxy = env.ProxyFunc() })
}

const (
	proxyHost   = "192.0.2.99"
	proxyURL    = "http://" + proxyHost + ":50051"
	established = "HTTP/1.1 200 Connection established\r\n\r\n"
)

func connectTo(address string) string {
	return "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: " + userAgent + "\r\n\r\n"
}

// The name goes to the proxy, and is not looked up here. What follows the answer is the server's, though
// it came with it.
func TestProxy(t *testing.T) {
	w, p := newNetwork("192.0.2.1"), &fakeProxy{answer: established}
	w.serve(proxyHost, p.serve)
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.wantState("the server greeted", Ready)
		s.wantTried("only the proxy", w, proxyHost+"@0")
		s.wantRequests("by name", p, connectTo("mem.test:50051"))
		if w.lookups != nil {
			t.Errorf("the name was looked up at %v", w.lookups)
		}
	}, throughProxy(proxyURL, ""))
}

// User and password are sent as RFC 7617 says, and are not told to anybody else.
func TestProxyCredentials(t *testing.T) {
	for user, want := range map[string]string{
		"aladdin:open%20sesame@": "YWxhZGRpbjpvcGVuIHNlc2FtZQ==",
		"aladdin@":               "YWxhZGRpbjo=",
	} {
		w, p := newNetwork(), &fakeProxy{answer: "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"}
		w.serve(proxyHost, p.serve)
		w.play(t, func(s *scene) {
			r := s.unary(s.Context(), "a")
			s.wantFailed("refused", r, cqrpc.CodeUnavailable, "dial mem.test:50051: proxy 192.0.2.99:50051: ", " 407 Proxy ")
			if strings.Contains(r.err.Error(), "aladdin") {
				t.Errorf("the error %q tells who we are", r.err)
			}
			head, _ := strings.CutSuffix(connectTo("mem.test:50051"), "\r\n")
			s.wantRequests("with credentials", p, head+"Proxy-Authorization: Basic "+want+"\r\n\r\n")
		}, throughProxy("http://"+user+proxyHost+":50051", ""))
	}
}

// answerOf is an answer of n octets.
func answerOf(n int) string {
	const begin, end = "HTTP/1.1 200 OK\r\nA: ", "\r\n\r\n"
	return begin + strings.Repeat("b", n-len(begin+end)) + end
}

// What a proxy may answer, and what fails.
func TestProxyAnswers(t *testing.T) {
	for name, tt := range map[string]struct{ answer, failure string }{
		"200":                         {"HTTP/1.1 200 OK\r\n\r\n", ""},
		"HTTP/1.0, no reason":         {"HTTP/1.0 200\r\n\r\n", ""},
		"any 2xx":                     {"HTTP/1.1 299 x\r\n\r\n", ""},
		"a length that does not hold": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
		"lines that end with LF":      {"HTTP/1.1 200 OK\nVia: x\n\n", ""},
		"1xx before":                  {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\nA: b\r\n\r\n" + established, ""},
		"as much as there may be":     {answerOf(16 << 10), ""},

		"403":                    {"HTTP/1.1 403 Forbidden\r\n\r\nno", `CONNECT: the answer is "HTTP/1.1 403 Forbidden"`},
		"302":                    {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", `"HTTP/1.1 302 Found"`},
		"another HTTP":           {"HTTP/2 200\r\n\r\n", `"HTTP/2 200"`},
		"another protocol":       {"SSH-2.0-x 200\r\n\r\n", `"SSH-2.0-x 200"`},
		"no number":              {"HTTP/1.1 2xx OK\r\n\r\n", `"HTTP/1.1 2xx OK"`},
		"a long number":          {"HTTP/1.1 2000 OK\r\n\r\n", `"HTTP/1.1 2000 OK"`},
		"no line":                {"\r\n\r\n", `the answer is ""`},
		"a line for the screen":  {"HTTP/1.1 500 \x1b[2J\r\n\r\n", `"HTTP/1.1 500 \x1b[2J"`},
		"a long line":            {"HTTP/1.1 500 " + strings.Repeat("x", 1000) + "\r\n\r\n", strings.Repeat("x", 243) + `"`},
		"one octet too much":     {answerOf(16<<10 + 1), "16 KiB"},
		"1xx without an end":     {strings.Repeat("HTTP/1.1 100 x\r\n\r\n", 1000) + established, "16 KiB"},
		"the end before the end": {"HTTP/1.1 200 OK\r\n", "CONNECT: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := newNetwork(), &fakeProxy{answer: tt.answer}
			if tt.failure != "" {
				p.then = hangUp
			}
			w.serve(proxyHost, p.serve)
			w.play(t, func(s *scene) {
				s.ch.Connect()
				if tt.failure == "" {
					s.wantState("connected", Ready)
					return
				}
				s.wantState("refused", TransientFailure)
				s.wantFailed("refused", s.unary(s.Context(), "a"), cqrpc.CodeUnavailable, tt.failure)
				w.wantOpen(t, "given up", 0)
			}, throughProxy(proxyURL, ""))
		})
	}
}

// The exchange with the proxy is part of the attempt: its time is bounded, and Close ends it.
func TestProxyIsSilent(t *testing.T) {
	for name, answer := range map[string]string{"nothing": "", "half a line": "HTTP/1.1 2"} {
		t.Run(name, func(t *testing.T) {
			w, p := newNetwork(), &fakeProxy{answer: answer, then: silence}
			w.serve(proxyHost, p.serve)
			w.play(t, func(s *scene) {
				r := s.unary(s.Context(), "a")
				s.advance(20*time.Second - time.Millisecond)
				s.wantPending("an attempt has 20 s", r)
				w.wantOpen(t, "it waits for the answer", 1)
				s.advance(time.Millisecond)
				s.wantFailed("it has had them", r, cqrpc.CodeUnavailable, "proxy 192.0.2.99:50051: CONNECT: context deadline exceeded")
				s.wantRequests("the next attempt", p, connectTo("mem.test:50051"), connectTo("mem.test:50051"))
				if err := s.ch.Close(); err != nil {
					t.Error(err)
				}
				w.wantOpen(t, "Close ends it", 0)
			}, throughProxy(proxyURL, ""))
		})
	}
}

// TLS is with the server, through the tunnel, and it is the server that proves the target's name.
func TestProxyAndTLS(t *testing.T) {
	for host, want := range map[string]State{"mem.test": Ready, "proxy.test": TransientFailure} {
		t.Run(host, func(t *testing.T) {
			cert, roots := identity(t, host)
			w, p := newNetwork(), &fakeProxy{answer: established}
			p.then = func(nc net.Conn) {
				tc := tls.Server(nc, transport.TLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}}))
				if tc.Handshake() == nil {
					greet(tc)
				}
			}
			w.serve(proxyHost, p.serve)
			w.play(t, func(s *scene) {
				s.ch.Connect()
				s.wantState("the certificate is for "+host, want)
			}, secure(&tls.Config{RootCAs: roots}), throughProxy(proxyURL, ""))
		})
	}
}

// A name is one address; what a resolver reports is handed to the proxy as it is.
func TestProxyAndBalancing(t *testing.T) {
	w, p := newNetwork("192.0.2.1", "192.0.2.2"), &fakeProxy{answer: established}
	w.serve(proxyHost, p.serve)
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.wantState("connected", Ready)
		s.wantRequests("once", p, connectTo("mem.test:50051"))
	}, throughProxy(proxyURL, ""), WithBalancing(RoundRobin))

	w, p = newNetwork(), &fakeProxy{answer: established}
	w.serve(proxyHost, p.serve)
	w.serve("192.0.2.3", greet)
	r := new(resolver.Manual)
	r.Report(resolver.Addresses("b.test:50051", "192.0.2.3:50051"), nil)
	w.play(t, func(s *scene) {
		s.ch.Connect()
		s.wantState("connected", Ready)
		s.wantRequests("of two addresses NO_PROXY names one", p, connectTo("b.test:50051"))
	}, throughProxy(proxyURL, "192.0.2.3"), WithBalancing(RoundRobin), WithResolver(r))
}

// reached is how a target is reached: by what addresses directly, or by what names through the proxy. What
// is to be resolved has a ?.
func reached(t *testing.T, text string, proxy proxyFunc, found ...resolver.Address) []string {
	t.Helper()
	var by []string
	cfg := config{proxy: proxy}
	cfg.dial = func(_ context.Context, network, address string) (net.Conn, error) {
		by = append(by, network+" "+address)
		return nil, errors.New("nobody is there")
	}
	parse := parseTarget
	if found != nil {
		cfg.resolver, parse = new(resolver.Manual), foreignTarget
	}
	parsed, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	parsed = cfg.throughProxy(parsed)
	if parsed.isHost && len(parsed.others) == 0 {
		return []string{parsed.address + "?"}
	}
	if found == nil {
		found, _ = parsed.resolved(t.Context(), nil)
	}
	for _, a := range found {
		before := len(by)
		_, err := cfg.dial(t.Context(), a.Network, a.Addr)
		switch by = by[:before+1]; {
		case by[before] == "tcp proxy.test:80" && strings.HasPrefix(err.Error(), "proxy proxy.test: "):
			by[before] = "CONNECT " + a.Addr
		case by[before] != a.Network+" "+a.Addr:
			t.Errorf("%s: dialed %q", text, by[before])
		}
	}
	return by
}

// Which connections are made through the proxy of the environment: those that grpc-go makes through it,
// see conformance.TestProxies, and lists, which it does not have.
func TestProxiedTargets(t *testing.T) {
	for text, want := range map[string]string{
		"example.org:50051":             "CONNECT example.org:50051",
		"example.org":                   "CONNECT example.org:443",
		"dns:///example.org:80":         "CONNECT example.org:80",
		"192.0.2.1:80":                  "CONNECT 192.0.2.1:80",
		"[2001:db8::1]:80":              "CONNECT [2001:db8::1]:80",
		"passthrough:///Example.org:80": "CONNECT Example.org:80",
		"a.localhost.example:80":        "CONNECT a.localhost.example:80",

		"localhost:80":                  "localhost:80?",
		"LocalHost:80":                  "LocalHost:80?",
		"127.0.0.1:80":                  "127.0.0.1:80?",
		"127.9.9.9:80":                  "127.9.9.9:80?",
		"[::1]:80":                      "[::1]:80?",
		":80":                           ":80?",
		"0.0.0.0:80":                    "0.0.0.0:80?",
		"[::]:80":                       "[::]:80?",
		"direct.test:80":                "direct.test:80?",
		"a.Direct.test:80":              "a.Direct.test:80?",
		"port.test:80":                  "port.test:80?",
		"port.test:81":                  "CONNECT port.test:81",
		"10.1.2.3:80":                   "10.1.2.3:80?",
		"passthrough:///direct.test:80": "tcp direct.test:80",
		"unix:/run/x.sock":              "unix /run/x.sock",
		"unix-abstract:x":               "unix @x",
		"ipv4:192.0.2.1:80":             "CONNECT 192.0.2.1:80",
		"ipv4:10.1.2.3:80,192.0.2.1:80,127.0.0.1:80":     "tcp 10.1.2.3:80, CONNECT 192.0.2.1:80, tcp 127.0.0.1:80",
		"ipv6:[2001:db8::1]:80,[::1]:80,[2001:db8::2]:8": "CONNECT [2001:db8::1]:80, tcp [::1]:80, CONNECT [2001:db8::2]:8",
	} {
		t.Setenv("HTTPS_PROXY", "http://proxy.test")
		t.Setenv("NO_PROXY", "direct.test, port.test:80, 10.0.0.0/8")
		if got := strings.Join(reached(t, text, environmentProxy()), ", "); got != want {
			t.Errorf("%s is reached by %s; want %s", text, got, want)
		}
	}
}

// With a resolver both count, the name of the target and each address.
func TestProxiedAddresses(t *testing.T) {
	found := resolver.Addresses("192.0.2.1:80", "b.test:80", "10.1.2.3:80", ":80")
	for i := range found {
		found[i].Network = "tcp"
	}
	found = append(found, resolver.Address{Addr: "/run/x.sock", Network: "unix"})
	proxy := (&httpproxy.Config{HTTPSProxy: "proxy.test", NoProxy: "direct.test,10.0.0.0/8"}).ProxyFunc()
	for text, want := range map[string]string{
		"greeter":            "CONNECT 192.0.2.1:80, CONNECT b.test:80, tcp 10.1.2.3:80, tcp :80, unix /run/x.sock",
		"etcd:///greeter":    "CONNECT 192.0.2.1:80, CONNECT b.test:80, tcp 10.1.2.3:80, tcp :80, unix /run/x.sock",
		"x:///a.direct.test": "tcp 192.0.2.1:80, tcp b.test:80, tcp 10.1.2.3:80, tcp :80, unix /run/x.sock",
	} {
		if got := strings.Join(reached(t, text, proxy, found...), ", "); got != want {
			t.Errorf("%s is reached by %s; want %s", text, got, want)
		}
	}
}

// A request that would not be one is not made, and a proxy that we cannot talk to is not passed by.
func TestProxyRequestsThatAreNotMade(t *testing.T) {
	for name, tt := range map[string]struct{ target, proxy, want string }{
		"another scheme": {"a.test:80", "socks5://user:pass@proxy.test:1080", `a proxy of scheme "socks5" cannot be used`},
		"TLS":            {"a.test:80", "https://proxy.test", `a proxy of scheme "https" cannot be used`},
		"no port":        {"passthrough:///a.test", "http://proxy.test", "missing port"},
		"two lines":      {"passthrough:///a.test\r\nX:80", "http://proxy.test", "cannot be named"},
		"a space":        {"passthrough:///a.test HTTP/1.1:80", "http://proxy.test", "cannot be named"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config{proxy: (&httpproxy.Config{HTTPSProxy: tt.proxy}).ProxyFunc()}
			cfg.dial = func(_ context.Context, _, address string) (net.Conn, error) {
				t.Errorf("dialed %s", address)
				return nil, errors.New("nobody is there")
			}
			parsed, err := parseTarget(tt.target)
			if err != nil {
				t.Fatal(err)
			}
			parsed = cfg.throughProxy(parsed)
			_, err = cfg.dial(t.Context(), parsed.network, parsed.address)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "pass@") {
				t.Errorf("the error is %v; want %q in it", err, tt.want)
			}
		})
	}
}

// Names that are not ASCII go to the proxy as DNS has them.
func TestProxyIsToldNamesInASCII(t *testing.T) {
	tn := tunnel{proxy: proxyFunc((&httpproxy.Config{HTTPSProxy: "http://proxy.test"}).ProxyFunc()).of("a.test:1")}
	tn.address = "bücher.test:80"
	if got, err := tn.request(); err != nil || got != connectTo("xn--bcher-kva.test:80") {
		t.Errorf("the request is %q, %v", got, err)
	}
}

// The environment counts when the channel is made, unless there is a dialer or WithNoProxy.
func TestWithNoProxy(t *testing.T) {
	isProxied := func(opts ...Option) bool {
		cfg := newConfig(append(opts, WithInsecure()))
		return cfg.proxy != nil
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "")
	}
	if isProxied() {
		t.Error("without a proxy in the environment there is one")
	}
	t.Setenv("HTTP_PROXY", "http://proxy.test")
	if isProxied() {
		t.Error("HTTP_PROXY counts, which is for other URLs")
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		t.Setenv(name, "http://proxy.test")
		if !isProxied() {
			t.Errorf("%s does not count", name)
		}
		if isProxied(WithNoProxy()) {
			t.Errorf("%s counts in spite of WithNoProxy", name)
		}
		if isProxied(WithDialer(new(net.Dialer).DialContext)) {
			t.Errorf("%s counts in spite of WithDialer", name)
		}
		t.Setenv(name, "")
	}
}
