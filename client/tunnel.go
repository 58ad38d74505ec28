package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// maxTunnelAnswer bounds the head of a proxy's answer: as much as the metadata of a call may have.
const maxTunnelAnswer = 16 << 10

// maxToldAnswer bounds what an error says of it.
const maxToldAnswer = 256

// tunnel is a connection to address by way of an HTTP proxy (RFC 9110 section 9.3.6).
type tunnel struct {
	proxy   *url.URL
	address string // host and port, for the proxy to resolve if the host is a name
}

// open dials the proxy and has it connect, before ctx ends. What it returns is what dial did: nothing of
// the tunnel stays, and nothing that the server has sent is read.
func (t *tunnel) open(ctx context.Context, dial dialFunc) (net.Conn, error) {
	request, err := t.request()
	if err != nil {
		return nil, t.failure(err)
	}
	nc, err := dial(ctx, "tcp", t.proxyAddress())
	if err != nil {
		return nil, t.failure(err)
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	err = exchange(nc, request)
	if !stop() { // or the connection has been closed just now
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, t.failure(fmt.Errorf("CONNECT: %w", err))
	}
	return nc, nil
}

// failure names the proxy, without the password that its URL may have.
func (t *tunnel) failure(err error) error { return fmt.Errorf("proxy %s: %w", t.proxy.Host, err) }

// proxyAddress is the proxy's host and port, by default that of HTTP.
func (t *tunnel) proxyAddress() string {
	port := t.proxy.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(t.proxy.Hostname(), port)
}

// request is the head of a CONNECT request; it has no body.
func (t *tunnel) request() (string, error) {
	if t.proxy.Scheme != "http" {
		return "", fmt.Errorf("a proxy of scheme %q cannot be used, only one of scheme http", t.proxy.Scheme)
	}
	_, _, err := net.SplitHostPort(t.address)
	if err != nil {
		return "", err
	}
	address, err := httpguts.PunycodeHostPort(t.address)
	if err != nil || !httpguts.ValidHostHeader(address) {
		return "", fmt.Errorf("%q cannot be named in a request", t.address)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nUser-Agent: %s\r\n", address, userAgent)
	if u := t.proxy.User; u != nil { // RFC 7617
		password, _ := u.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", credentials)
	}
	b.WriteString("\r\n")
	return b.String(), nil
}

// exchange asks the proxy on nc to connect.
func exchange(nc net.Conn, request string) error {
	if _, err := nc.Write([]byte(request)); err != nil {
		return err
	}
	left := maxTunnelAnswer
	for {
		status, err := readHead(nc, &left)
		if err != nil {
			return err
		}
		switch statusClass(status) {
		case 1: // another answer follows (RFC 9110 section 15.2)
		case 2:
			return nil
		default:
			return fmt.Errorf("the answer is %q", status[:min(len(status), maxToldAnswer)])
		}
	}
}

var errLongAnswer = errors.New("the answer's head has more than 16 KiB")

// readHead reads the head of a response, no more, and returns its first line. What follows is the server's.
func readHead(nc net.Conn, left *int) (status string, err error) {
	status, err = readLine(nc, left)
	for line := status; err == nil && line != ""; {
		line, err = readLine(nc, left)
	}
	return status, err
}

// readLine reads one octet at a time, because nothing can be put back into a connection. A line may end
// with LF alone (RFC 9112 section 2.2).
func readLine(nc net.Conn, left *int) (string, error) {
	var line []byte
	var octet [1]byte
	for *left > 0 {
		*left--
		n, err := nc.Read(octet[:])
		switch {
		case n == 0 && err != nil:
			return "", err
		case n == 0:
		case octet[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		default:
			line = append(line, octet[0])
		}
	}
	return "", errLongAnswer
}

// statusClass is the first digit of the status code in a status line of HTTP/1, 0 if it is none.
func statusClass(line string) int {
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 || strings.Trim(code, "0123456789") != "" {
		return 0
	}
	return int(code[0] - '0')
}
