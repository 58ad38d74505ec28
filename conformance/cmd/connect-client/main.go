// Connect-client is the client under test of the connectrpc conformance suite,
// which starts it, writes on its standard input what calls to make, and reads
// from its standard output what came of each. It ends with its input.
//
//	connect-client [-style sync] [-p 8]
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/conformance/internal/connect"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// perform makes the call of an order and reports to it. The error says that the
// call could not be tried. Many run at a time.
type perform func(ctx context.Context, ch *client.Channel, o *connect.Order, opts []client.CallOption) error

// styles are the ways to make calls.
var styles = map[string]perform{
	"sync": performSync,
}

func main() {
	style := flag.String("style", "sync", "style of the calls")
	// The suite asks for all calls at once, and judges how much of a timeout is
	// left at the server.
	parallel := flag.Int("p", 8, "how many calls to make at a time")
	flag.Parse()
	if err := run(*style, max(*parallel, 1)); err != nil {
		fmt.Fprintln(os.Stderr, "connect-client:", err)
		os.Exit(1)
	}
}

func run(style string, parallel int) error {
	p := styles[style]
	if p == nil {
		return fmt.Errorf("no style %q", style)
	}
	a := agent{perform: p}
	defer a.channels.close()
	turns := make(chan struct{}, parallel)
	var calls sync.WaitGroup
	defer calls.Wait()
	for in := bufio.NewReader(os.Stdin); ; {
		request := new(connectpb.ClientCompatRequest)
		if err := connect.ReadMessage(in, request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		turns <- struct{}{}
		calls.Go(func() {
			a.serve(request)
			<-turns
		})
	}
}

// agent does what the suite asks for.
type agent struct {
	perform  perform
	channels channels
	mu       sync.Mutex // over writing, so that answers do not mix
}

func (a *agent) serve(r *connectpb.ClientCompatRequest) {
	o, err := connect.NewOrder(r)
	if err == nil {
		err = a.call(r, o)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := connect.WriteMessage(os.Stdout, connect.Report(r, o, err)); err != nil {
		fmt.Fprintln(os.Stderr, "connect-client:", err)
	}
}

func (a *agent) call(r *connectpb.ClientCompatRequest, o *connect.Order) error {
	ch, err := a.channels.to(r)
	if err != nil {
		return err
	}
	opts := []client.CallOption{
		client.WithMetadata(o.Metadata()),
		client.WithCompressor(o.Encoding()),
		client.WithMaxRecvMessage(o.MaxRecv()),
	}
	if o.IsJSON() {
		opts = append(opts, client.WithCallCodec(codec.JSON()))
	}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if d, ok := o.Timeout(); ok {
		ctx, cancel = context.WithTimeout(ctx, d)
	}
	defer cancel()
	return a.perform(ctx, ch, o, opts)
}
