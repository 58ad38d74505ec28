package future

import "github.com/cqrpc/cqrpc/server"

// Context is the server's side of one call: a context.Context that ends with
// the call, the request's metadata, the response's, and where work can be put.
type Context struct {
	server.Context

	rpc *rpc
}

// Spawn runs f on the poller that everything about this call runs on, after
// what it is doing now (grpc-rs RpcContext::spawn). Like a handler, f must not
// block. Its panic is one of the handler. The error is cq.ErrShutdown, and then
// f is not run: the environment is closed.
func (c *Context) Spawn(f func()) error {
	r := c.rpc
	r.tally.Enter()
	err := r.home.Spawn(func() {
		defer r.tally.Leave()
		r.run(f)
	})
	if err != nil {
		r.tally.Leave()
	}
	return err
}
