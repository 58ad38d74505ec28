//go:build unix

package oneport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
)

// peekSocket is peek where the kernel can be asked for octets that it keeps.
func peekSocket(nc net.Conn) (isSocket, isHTTP2 bool, err error) {
	socket, isSocket := nc.(syscall.Conn)
	if !isSocket {
		return false, false, nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true, false, err
	}
	var head []byte
	waitErr := raw.Read(func(fd uintptr) bool {
		head, err = peekOctets(int(fd))
		if errors.Is(err, syscall.EAGAIN) {
			return false
		}
		return err != nil || isDecided(head)
	})
	if waitErr != nil {
		return true, false, waitErr
	}
	return true, bytes.Equal(head, preface), err
}

// peekOctets returns what has come so far, at most as much as decides.
func peekOctets(fd int) ([]byte, error) {
	head := make([]byte, len(preface))
	for {
		n, _, err := syscall.Recvfrom(fd, head, syscall.MSG_PEEK)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return nil, io.EOF
		}
		return head[:n], nil
	}
}
