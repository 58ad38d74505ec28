// Interop-server serves grpc.testing.TestService for the gRPC interop tests
// (grpc/grpc, doc/interop-test-descriptions.md), with the flags that the servers
// of all languages have, and in every style:
//
//	interop-server [--port 10000] [--style sync] [--use_tls [--tls_cert_file C --tls_key_file K]]
//
// When it can be dialled it says where on standard output. SIGTERM and SIGINT
// end it, after the calls in progress.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"google.golang.org/grpc/testdata"
)

// grace is how long calls in progress may take when the server is to end.
const grace = 10 * time.Second

// settings is what the flags say.
type settings struct {
	host, style, certificate, key string

	port   int
	secure bool
}

func main() {
	var s settings
	flag.StringVar(&s.host, "host", "127.0.0.1", "address to listen on; empty for all")
	flag.IntVar(&s.port, "port", 10000, "port to listen on; 0 for any")
	flag.BoolVar(&s.secure, "use_tls", false, "serve TLS, else plaintext")
	flag.StringVar(&s.certificate, "tls_cert_file", "", "PEM certificate; default that of the interop tests")
	flag.StringVar(&s.key, "tls_key_file", "", "PEM key; default that of the interop tests")
	flag.StringVar(&s.style, "style", "sync", "style that serves: sync, queue, reactor, future, batch")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "interop-server:", err)
		os.Exit(1)
	}
}

func (s *settings) run() error {
	options, err := s.options()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	srv := server.New(options...)
	wait, err := parity.Mount(srv, s.style, testservice.Routes())
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)))
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	fmt.Println("listening on", lis.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stop() // a second signal ends the process at once
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return err
	}
	return wait()
}

func (s *settings) options() ([]server.Option, error) {
	options := []server.Option{server.WithCompressors(testservice.Compressors()), server.WithCompressor("gzip")}
	if !s.secure {
		return options, nil
	}
	if s.certificate == "" {
		s.certificate = testdata.Path("server1.pem")
	}
	if s.key == "" {
		s.key = testdata.Path("server1.key")
	}
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return nil, err
	}
	return append(options, server.WithTLS(&tls.Config{Certificates: []tls.Certificate{pair}})), nil
}
