package main

import (
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// Metadata by which a client tells the server what to do besides its work, and
// what the server has to echo.
const (
	actKey  = "soak-act"
	echoKey = "soak-echo-bin"
)

// service is parity's echo, which obeys metadata.
func service() *parity.Service {
	echo := parity.Echo()
	s := *echo
	s.Unary = func(c parity.Call, req []byte) ([]byte, error) {
		if err := obey(c); err != nil {
			return nil, err
		}
		return echo.Unary(c, req)
	}
	s.ServerStream = func(c parity.Call, req []byte, out parity.Out) error {
		if err := obey(c); err != nil {
			return err
		}
		return echo.ServerStream(c, req, out)
	}
	s.ClientStream = func(c parity.Call, in parity.In) ([]byte, error) {
		if err := obey(c); err != nil {
			return nil, err
		}
		return echo.ClientStream(c, in)
	}
	s.BidiStream = func(c parity.Call, in parity.In, out parity.Out) error {
		if err := obey(c); err != nil {
			return err
		}
		return echo.BidiStream(c, in, out)
	}
	return &s
}

// obey does what the client has asked for.
func obey(c parity.Call) error {
	md := c.Metadata()
	if v := md.Values(echoKey); len(v) > 0 {
		_ = c.SetHeader(cqrpc.Pairs(echoKey, v[0])) // fails when the call has ended
		_ = c.SetTrailer(cqrpc.Pairs(echoKey, v[0]))
	}
	switch md.Get(actKey) {
	case "fail":
		return cqrpc.Errorf(cqrpc.CodeAborted, "as asked")
	case "cancel":
		c.TryCancel()
	case "slow":
		select {
		case <-c.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	case "late":
		<-c.Context().Done()
	}
	return nil
}
