package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// serveFlag makes the program the server.
const serveFlag = "serve"

// server is the other process. It ends when nobody can give it orders any more.
type server struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	lines  *bufio.Scanner
	addr   string
}

// start starts this program again; the end of ctx kills it.
func start(ctx context.Context, collect int) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, self, "-"+serveFlag, "-gogc", strconv.Itoa(collect))}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.orders, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.lines = bufio.NewScanner(out)
	s.addr, err = s.line()
	return s, err
}

func (s *server) line() (string, error) {
	if !s.lines.Scan() {
		return "", fmt.Errorf("the server ended early: %w", errors.Join(s.lines.Err(), s.cmd.Wait()))
	}
	return s.lines.Text(), nil
}

// order gives an order and waits for its answer.
func (s *server) order(text string) (a answer, err error) {
	if _, err := fmt.Fprintln(s.orders, text); err != nil {
		return a, err
	}
	line, err := s.line()
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(line), &a)
}

// stop ends the server in order.
func (s *server) stop() error {
	s.orders.Close()
	for s.lines.Scan() {
	}
	return s.cmd.Wait()
}
