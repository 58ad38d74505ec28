package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"

	"github.com/cqrpc/cqrpc/benchmark/internal/own"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// The orders: a line each, answered by one of JSON.
const (
	tellOrder      = "tell"      // what is there, when unused memory has been given back
	broadcastOrder = "broadcast" // and the size of the payload
)

// answer is that to any order.
type answer struct {
	Streams  int   `json:"streams"`
	Sent     int   `json:"sent"`
	Resident int64 `json:"resident"`
	Peak     int64 `json:"peak"`
}

// serve prints where it listens and follows orders until there are no more.
func serve(orders io.Reader, out io.Writer, collect int) error {
	debug.SetGCPercent(collect)
	s, err := own.NewBroadcastServer()
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	_, err = fmt.Fprintln(out, lis.Addr())
	if err == nil {
		err = followAll(s, orders, out)
	}
	return errors.Join(err, s.Close(), <-served)
}

func followAll(s *own.BroadcastServer, orders io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(orders)
	for lines.Scan() {
		a, err := follow(s, lines.Text())
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func follow(s *own.BroadcastServer, order string) (a answer, err error) {
	name, argument, _ := strings.Cut(order, " ")
	switch name {
	case tellOrder:
		debug.FreeOSMemory()
	case broadcastOrder:
		size := 0
		if _, err := fmt.Sscan(argument, &size); err != nil {
			return a, fmt.Errorf("order %q: %w", order, err)
		}
		if a.Sent, err = s.Broadcast(size); err != nil {
			return a, err
		}
	default:
		return a, fmt.Errorf("no order %q", order)
	}
	a.Streams, a.Resident = s.Open(), usage.Self().Resident
	a.Peak, err = usage.Peak()
	return a, err
}
