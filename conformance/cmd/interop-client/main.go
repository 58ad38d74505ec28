// Interop-client runs cases of the gRPC interop tests (grpc/grpc,
// doc/interop-test-descriptions.md) against a server, with the flags that the
// clients of all languages have, and in every style:
//
//	interop-client --server_host H --server_port P --test_case C[,C...] [--style sync]
//	               [--use_tls [--use_test_ca | --ca_file F] [--server_host_override N]]
//
// The test case "all" is every case it has. It exits with 1 if one fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc/conformance/internal/interop"
)

func main() {
	s := newSettings(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := s.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop-client:", err)
		os.Exit(1)
	}
}

func (s *settings) run(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	c, err := interop.New(config)
	if err != nil {
		return err
	}
	for _, name := range s.cases() {
		begin := time.Now()
		if failure := c.Run(ctx, name); failure != nil {
			fmt.Printf("%s failed: %v\n", name, failure)
			err = errors.New("not all cases passed")
			continue
		}
		fmt.Printf("%s passed (%d ms)\n", name, time.Since(begin).Milliseconds())
	}
	return errors.Join(err, c.Close())
}

func (s *settings) cases() []string {
	if s.testCase != "all" {
		return strings.Split(s.testCase, ",")
	}
	var names []string
	for _, c := range interop.Cases {
		names = append(names, c.Name)
	}
	return names
}
