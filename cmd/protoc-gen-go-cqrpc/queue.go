package main

// The queue style: operations with tags that come out of a completion queue.

func queueClient(f *file, s *service) {
	f.put(s, `
// $AsyncClient calls $Service in the queue style:
// operations have tags, which come out of a completion queue when they are done.$Doc
type $AsyncClient struct{ channel *$client.Channel }

// $NewAsyncClient returns a client on ch.
// Any number of goroutines may use it.$Deprecated
func $NewAsyncClient(ch *$client.Channel) *$AsyncClient { return &$AsyncClient{ch} }
`)
	f.eachShape(s, byShape{
		unary:        queueUnary,
		serverStream: queueServerStream,
		clientStream: queueClientStream,
		bidiStream:   queueBidiStream,
	})
}

const queueUnary = `
// Async$Method makes a call. Finish sends req and asks for response and
// status; its tag comes out of q when they are there.$Doc
func (c *$AsyncClient) Async$Method(
	ctx $context.Context, req *$Req, q *$cq.Queue, opts ...$client.CallOption,
) *$clientasync.ResponseReader[$Res] {
	return $clientasync.Unary(ctx, c.channel, $Var, req, q, opts...)
}

// PrepareAsync$Method is Async$Method for a call that begins with StartCall.$Deprecated
func (c *$AsyncClient) PrepareAsync$Method(
	ctx $context.Context, req *$Req, q *$cq.Queue, opts ...$client.CallOption,
) *$clientasync.ResponseReader[$Res] {
	return $clientasync.PrepareUnary(ctx, c.channel, $Var, req, q, opts...)
}
`

const queueServerStream = `
// Async$Method starts a call and sends req; tag comes out of q when
// that is done. Then Read responses until one fails, and Finish.$Doc
func (c *$AsyncClient) Async$Method(
	ctx $context.Context, req *$Req, q *$cq.Queue, tag $cq.Tag, opts ...$client.CallOption,
) (*$clientasync.Reader[$Res], error) {
	return $clientasync.ServerStream(ctx, c.channel, $Var, req, q, tag, opts...)
}

// PrepareAsync$Method is Async$Method for a call that begins with StartCall.$Deprecated
func (c *$AsyncClient) PrepareAsync$Method(
	ctx $context.Context, req *$Req, q *$cq.Queue, opts ...$client.CallOption,
) *$clientasync.Reader[$Res] {
	return $clientasync.PrepareServerStream(ctx, c.channel, $Var, req, q, opts...)
}
`

const queueClientStream = `
// Async$Method starts a call; tag comes out of q when it has begun.
// Then Write requests, one after the other, and Finish: it fills res.$Doc
func (c *$AsyncClient) Async$Method(
	ctx $context.Context, res *$Res, q *$cq.Queue, tag $cq.Tag, opts ...$client.CallOption,
) (*$clientasync.Writer[$Req], error) {
	return $clientasync.ClientStream(ctx, c.channel, $Var, res, q, tag, opts...)
}

// PrepareAsync$Method is Async$Method for a call that begins with StartCall.$Deprecated
func (c *$AsyncClient) PrepareAsync$Method(
	ctx $context.Context, res *$Res, q *$cq.Queue, opts ...$client.CallOption,
) *$clientasync.Writer[$Req] {
	return $clientasync.PrepareClientStream(ctx, c.channel, $Var, res, q, opts...)
}
`

const queueBidiStream = `
// Async$Method starts a call; tag comes out of q when it has begun.
// Then Write requests and Read responses, one of each at a time, and Finish.$Doc
func (c *$AsyncClient) Async$Method(
	ctx $context.Context, q *$cq.Queue, tag $cq.Tag, opts ...$client.CallOption,
) (*$clientasync.ReaderWriter[$Req, $Res], error) {
	return $clientasync.BidiStream(ctx, c.channel, $Var, q, tag, opts...)
}

// PrepareAsync$Method is Async$Method for a call that begins with StartCall.$Deprecated
func (c *$AsyncClient) PrepareAsync$Method(
	ctx $context.Context, q *$cq.Queue, opts ...$client.CallOption,
) *$clientasync.ReaderWriter[$Req, $Res] {
	return $clientasync.PrepareBidiStream(ctx, c.channel, $Var, q, opts...)
}
`

func queueServer(f *file, s *service) {
	f.put(s, `
// $AsyncService is $Service to be served in the queue style:
// each Request method asks for one call, whose operations have tags of your choice.$Doc
type $AsyncService struct {`)
	f.each(s, `
	$field *$serverasync.${Shape}Method[$Req, $Res]`)
	f.put(s, `
}

// $RegisterAsyncService adds the methods of $Service to s,
// all of them, to be asked for: the callers of one that is never requested wait, see
// [server.PendingLimits]. The errors are those of [server.Server.RegisterMethod].$Deprecated
func $RegisterAsyncService(s *$server.Server) (*$AsyncService, error) {`)
	if len(s.methods) == 0 {
		f.put(s, `
	return new($AsyncService), nil
}
`)
		return
	}
	f.put(s, `
	c := new($AsyncService)
	var err error`)
	f.each(s, `
	if c.$field, err = $serverasync.Register$Shape(s, $Var); err != nil {
		return nil, err
	}`)
	f.put(s, `
	return c, nil
}
`)
	f.eachShape(s, queueRequest)
}

// queueRequest asks for calls.
var queueRequest = byShape{unary: `
// Request$Method asks for a call: tag comes out of notify when there is
// one, with its request in req. What is done with it then completes on bound.$Doc
func (s *$AsyncService) Request$Method(
	ctx *$serverasync.Context, req *$Req, w *$serverasync.ResponseWriter[$Res], bound, notify *$cq.Queue, tag $cq.Tag,
) error {
	return s.$field.Request(ctx, req, w, bound, notify, tag)
}
`, serverStream: `
// Request$Method asks for a call: tag comes out of notify when there is
// one, with its request in req. What is done with it then completes on bound.$Doc
func (s *$AsyncService) Request$Method(
	ctx *$serverasync.Context, req *$Req, w *$serverasync.Writer[$Res], bound, notify *$cq.Queue, tag $cq.Tag,
) error {
	return s.$field.Request(ctx, req, w, bound, notify, tag)
}
`, clientStream: `
// Request$Method asks for a call: tag comes out of notify when there is
// one, to be read from r. What is done with it then completes on bound.$Doc
func (s *$AsyncService) Request$Method(
	ctx *$serverasync.Context, r *$serverasync.Reader[$Req, $Res], bound, notify *$cq.Queue, tag $cq.Tag,
) error {
	return s.$field.Request(ctx, r, bound, notify, tag)
}
`, bidiStream: `
// Request$Method asks for a call: tag comes out of notify when there is
// one, on rw. What is done with it then completes on bound.$Doc
func (s *$AsyncService) Request$Method(
	ctx *$serverasync.Context, rw *$serverasync.ReaderWriter[$Req, $Res], bound, notify *$cq.Queue, tag $cq.Tag,
) error {
	return s.$field.Request(ctx, rw, bound, notify, tag)
}
`}
