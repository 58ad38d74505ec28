package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/interop"
	"github.com/cqrpc/cqrpc/internal/parity"
	"google.golang.org/grpc/testdata"
)

// concurrent is how many calls concurrent_large_unary makes at once.
const concurrent = 100

// settings is what the flags say.
type settings struct {
	host, override, testCase, style string

	port int

	secure, testAuthority bool
	authority             string // file

	metadata string
	soak     soakSettings
}

// soakSettings is interop.Soak in the units of the flags.
type soakSettings struct {
	interop.Soak

	latencyMS, timeoutS, intervalMS int
}

func newSettings(f *flag.FlagSet) *settings {
	s := new(settings)
	f.StringVar(&s.host, "server_host", "localhost", "host to call")
	f.IntVar(&s.port, "server_port", 10000, "port to call; 0 for a server_host that has one")
	f.StringVar(&s.override, "server_host_override", "", "name to call the server by, also in its certificate")
	f.StringVar(&s.testCase, "test_case", "large_unary", "cases to run, separated by commas, or all")
	f.StringVar(&s.style, "style", "sync", "style that calls: sync, queue, reactor, future, batch")
	f.BoolVar(&s.secure, "use_tls", false, "call over TLS, else in plaintext")
	f.BoolVar(&s.testAuthority, "use_test_ca", false, "trust only ca_file, else the machine's authorities")
	f.StringVar(&s.authority, "ca_file", "", "PEM certificates; default the authority of the interop tests")
	f.StringVar(&s.metadata, "additional_metadata", "", "key:value pairs separated by semicolons, for every call")
	f.String("service_config_json", "", "ignored: ORCA reports are read from the calls, not by a balancer")
	s.soak.define(f)
	return s
}

func (s *soakSettings) define(f *flag.FlagSet) {
	f.IntVar(&s.Iterations, "soak_iterations", 10, "calls of a soak case")
	f.IntVar(&s.MaxFailures, "soak_max_failures", 0, "calls that may fail or be too slow")
	f.IntVar(&s.latencyMS, "soak_per_iteration_max_acceptable_latency_ms", 1000, "milliseconds that are too slow")
	f.IntVar(&s.timeoutS, "soak_overall_timeout_seconds", 10, "seconds in which all must be done")
	f.IntVar(&s.intervalMS, "soak_min_time_ms_between_rpcs", 0, "milliseconds between calls of a thread, at least")
	f.IntVar(&s.RequestSize, "soak_request_size", 271828, "bytes")
	f.IntVar(&s.ResponseSize, "soak_response_size", 314159, "bytes")
	f.IntVar(&s.Threads, "soak_num_threads", 1, "threads, of which each makes its share of the calls")
}

// config is whom to call and how.
func (s *settings) config() (interop.Config, error) {
	i := slices.IndexFunc(parity.Callers, func(k parity.CallerKind) bool { return k.Name == s.style })
	if i < 0 {
		return interop.Config{}, fmt.Errorf("no style %q", s.style)
	}
	d := parity.Dialing{Address: s.host, Authority: s.override, Options: interop.Options()}
	if s.port != 0 {
		d.Address = net.JoinHostPort(s.host, strconv.Itoa(s.port))
	}
	var err error
	if d.Credentials, err = s.credentials(); err != nil {
		return interop.Config{}, err
	}
	md, err := parseMetadata(s.metadata)
	if err != nil {
		return interop.Config{}, err
	}
	soak := s.soak.Soak
	soak.MaxLatency = time.Duration(s.soak.latencyMS) * time.Millisecond
	soak.Interval = time.Duration(s.soak.intervalMS) * time.Millisecond
	soak.Timeout = time.Duration(s.soak.timeoutS) * time.Second
	soak.Log = os.Stderr
	dial := func() (parity.Caller, error) { return parity.Callers[i].Dial(d) }
	return interop.Config{Dial: dial, Metadata: md, Concurrent: concurrent, Soak: soak}, nil
}

// credentials is nil for plaintext.
func (s *settings) credentials() (*parity.Credentials, error) {
	if !s.secure {
		return nil, nil
	}
	c := new(parity.Credentials)
	file := s.authority
	switch {
	case file == "" && s.testAuthority:
		file = testdata.Path("ca.pem")
	case file == "":
		return c, nil // the machine's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c.Authority = x509.NewCertPool()
	if !c.Authority.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return c, nil
}

// parseMetadata takes all but the semicolon for part of a value.
func parseMetadata(text string) (cqrpc.Metadata, error) {
	if text == "" {
		return nil, nil
	}
	var md cqrpc.Metadata
	for pair := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, errors.New("additional_metadata: a pair has no colon")
		}
		md = append(md, cqrpc.Pairs(key, value)...)
	}
	return md, md.Validate()
}
