package client_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// dialThrough returns a dialer that has an HTTP proxy connect (RFC 9110 section 9.3.6). A channel
// does so by itself for the proxy that the environment names, see WithNoProxy.
func dialThrough(proxy string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, network, proxy)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { nc.Close() })
		defer stop()
		if _, err = fmt.Fprintf(nc, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", address); err != nil {
			nc.Close()
			return nil, err
		}
		res, err := http.ReadResponse(bufio.NewReader(octets{nc}), &http.Request{Method: http.MethodConnect})
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("proxy %s: %s", proxy, res.Status)
		}
		if err != nil {
			nc.Close()
			return nil, err
		}
		return nc, nil
	}
}

// octets reads one at a time: what follows the proxy's answer is the server's, and HTTP/2.
type octets struct{ r io.Reader }

func (o octets) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// Through a proxy, which is told the server's name and resolves it. TLS, where there is any,
// is with the server.
func ExampleWithDialer_proxy() {
	s := server.New()
	must(s.Register(server.Unary(sayHello, func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	})))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "greeter.internal:50051" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		nc, _, err := http.NewResponseController(w).Hijack()
		must(err)
		_, err = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
		must(err)
		go s.ServeConn(nc) // where a proxy would connect
	}))
	defer proxy.Close()

	dial := client.WithDialer(dialThrough(proxy.Listener.Addr().String()))
	for _, target := range []string{"greeter.internal:50051", "secrets.internal"} {
		ch, err := client.NewChannel(target, client.WithInsecure(), dial)
		must(err)
		reply, err := client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: "gopher"})
		fmt.Println(reply.GetMessage(), cqrpc.CodeOf(err), strings.HasSuffix(fmt.Sprint(err), "403 Forbidden"))
		must(ch.Close())
	}
	fmt.Println(s.Shutdown(context.Background()))
	// Output:
	// Hello gopher OK false
	//  UNAVAILABLE true
	// <nil>
}
