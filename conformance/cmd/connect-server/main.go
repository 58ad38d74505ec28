// Connect-server is the server under test of the connectrpc conformance suite,
// which starts it, tells it on standard input what to serve, learns on standard
// output where, and ends it by SIGTERM.
//
//	connect-server [-style sync]
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/codec/compressors"
	"github.com/cqrpc/cqrpc/conformance/internal/connect"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
	"github.com/cqrpc/cqrpc/server"
)

// styles are the ways to serve. Each registers the suite's service and may
// start what serves it; that ends with the server.
var styles = map[string]func(*server.Server) error{
	"sync": registerSync,
}

func main() {
	style := flag.String("style", "sync", "style of the handlers")
	flag.Parse()
	if err := run(*style); err != nil {
		fmt.Fprintln(os.Stderr, "connect-server:", err)
		os.Exit(1)
	}
}

func run(style string) error {
	register := styles[style]
	if register == nil {
		return fmt.Errorf("no style %q", style)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var request connectpb.ServerCompatRequest
	if err := connect.ReadMessage(bufio.NewReader(os.Stdin), &request); err != nil {
		return err
	}
	srv, err := newServer(&request)
	if err != nil {
		return err
	}
	if err := register(srv); err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	if err := connect.WriteMessage(os.Stdout, whereabouts(lis, &request)); err != nil {
		return err
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Calls that the suite has given up need not be waited for long.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func newServer(r *connectpb.ServerCompatRequest) (*server.Server, error) {
	options := []server.Option{
		server.WithCodecs(codec.Proto(), codec.JSON()),
		server.WithCompressors(codec.NewCompressors(codec.Gzip(),
			compressors.Brotli(), compressors.Zstd(), compressors.Deflate(), compressors.Snappy())),
		server.WithMaxRecvMessage(int(r.GetMessageReceiveLimit())),
	}
	secure, err := connect.ServerTLS(r)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		// The suite does not care for the encoding of responses: over TLS they
		// are compressed, in plaintext they are not.
		options = append(options, server.WithTLS(secure), server.WithCompressor("gzip"))
	}
	return server.New(options...), nil
}

func whereabouts(lis net.Listener, r *connectpb.ServerCompatRequest) *connectpb.ServerCompatResponse {
	answer := &connectpb.ServerCompatResponse{Host: "127.0.0.1"}
	if a, ok := lis.Addr().(*net.TCPAddr); ok {
		answer.Port = uint32(a.Port)
	}
	if r.GetUseTls() {
		answer.PemCert = r.GetServerCreds().GetCert()
	}
	return answer
}
