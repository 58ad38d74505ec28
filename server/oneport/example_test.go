package oneport_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/oneport"
)

type greeter struct{}

func (greeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
}

// metrics is what the port is for besides.
func metrics(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, r.Proto, r.URL.Path)
}

// greet makes a call, fetch a request.
func greet(address string, opt client.Option) {
	ch, err := client.NewChannel(address, opt)
	must(err)
	defer ch.Close()
	reply, err := pb.NewGreeterSyncClient(ch).SayHello(context.Background(), &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)
}

func fetch(c *http.Client, url string) {
	res, err := c.Get(url)
	must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(err)
	fmt.Print(string(body))
}

// gRPC and a page of metrics on one port.
func ExampleSplit() {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	grpcs, https := oneport.Split(lis)

	s := server.New()
	must(pb.RegisterGreeterSyncServer(s, greeter{}))
	web := &http.Server{Handler: http.HandlerFunc(metrics)}
	served := make(chan error)
	go func() { served <- s.Serve(grpcs) }()
	go func() { served <- web.Serve(https) }()

	greet(lis.Addr().String(), client.WithInsecure())
	browser := &http.Client{Transport: new(http.Transport)}
	fetch(browser, "http://"+lis.Addr().String()+"/metrics")

	browser.CloseIdleConnections()
	must(s.Shutdown(context.Background()))
	must(web.Shutdown(context.Background()))
	<-served
	<-served
	// Output:
	// Hello gopher <nil>
	// HTTP/1.1 /metrics
}

// The same with TLS, where net/http asks what a connection is for and Split has no part.
func Example_tls() {
	s := server.New()
	must(pb.RegisterGreeterSyncServer(s, greeter{}))

	web := httptest.NewUnstartedServer(http.HandlerFunc(metrics)) // it has a certificate; others use http.Server
	web.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, nc *tls.Conn, _ http.Handler) { _ = s.ServeConn(nc) },
	}
	web.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	web.StartTLS()

	trusted := web.Client().Transport.(*http.Transport).TLSClientConfig
	greet(web.Listener.Addr().String(), client.WithTLS(trusted))
	fetch(web.Client(), web.URL+"/metrics")

	must(s.Shutdown(context.Background()))
	web.Close()
	// Output:
	// Hello gopher <nil>
	// HTTP/1.1 /metrics
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
