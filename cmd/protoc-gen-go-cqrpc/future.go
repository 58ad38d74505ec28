package main

// The future style: what is started returns a future.

func futureClient(f *file, s *service) {
	f.put(s, `
// $FutureClient calls $Service in the future style: its
// methods return at once with what the rest of the call is read from and sent to.$Doc
type $FutureClient struct{ stub *$clientfuture.Stub }

// $NewFutureClient returns a client on ch whose futures env completes.
// Any number of goroutines may use it.$Deprecated
func $NewFutureClient(ch *$client.Channel, env *$future.Environment) *$FutureClient {
	return &$FutureClient{$clientfuture.New(ch, env)}
}
`)
	f.eachShape(s, byShape{unary: `
// $Method sends req and returns the future of the response.$Doc
func (c *$FutureClient) $Method(
	ctx $context.Context, req *$Req, opts ...$client.CallOption,
) *$clientfuture.Response[$Res] {
	return $clientfuture.Unary(ctx, c.stub, $Var, req, opts...)
}
`, serverStream: `
// $Method sends req. Read the responses to the end, or close the stream.$Doc
func (c *$FutureClient) $Method(
	ctx $context.Context, req *$Req, opts ...$client.CallOption,
) *$clientfuture.Stream[$Res] {
	return $clientfuture.ServerStream(ctx, c.stub, $Var, req, opts...)
}
`, clientStream: `
// $Method starts a call. Send the requests to the sink and close it; the
// response is a future.$Doc
func (c *$FutureClient) $Method(
	ctx $context.Context, opts ...$client.CallOption,
) (*$clientfuture.Sink[$Req], *$clientfuture.Response[$Res]) {
	return $clientfuture.ClientStream(ctx, c.stub, $Var, opts...)
}
`, bidiStream: `
// $Method starts a call. Send requests to the sink and close it, read the
// responses from the stream.$Doc
func (c *$FutureClient) $Method(
	ctx $context.Context, opts ...$client.CallOption,
) (*$clientfuture.Sink[$Req], *$clientfuture.Stream[$Res]) {
	return $clientfuture.BidiStream(ctx, c.stub, $Var, opts...)
}
`})
}

func futureServer(f *file, s *service) {
	f.put(s, `
// $FutureServer is $Service to be implemented in the future style:
// each method begins to serve one call and returns; what the sink gets ends it.$Doc
type $FutureServer interface {`)
	f.eachShape(s, byShape{unary: `
	// $Method answers req with one response.$Doc
	$Method(ctx *$serverfuture.Context, req *$Req, sink *$serverfuture.ResponseSink[$Res])`,
		serverStream: `
	// $Method answers req with any number of responses.$Doc
	$Method(ctx *$serverfuture.Context, req *$Req, sink *$serverfuture.Sink[$Res])`,
		clientStream: `
	// $Method reads requests and answers them with one response.$Doc
	$Method(
		ctx *$serverfuture.Context, requests *$serverfuture.Stream[$Req], sink *$serverfuture.ResponseSink[$Res],
	)`,
		bidiStream: `
	// $Method reads requests and sends responses.$Doc
	$Method(
		ctx *$serverfuture.Context, requests *$serverfuture.Stream[$Req], sink *$serverfuture.Sink[$Res],
	)`,
	})
	f.put(s, `
}

// $UnimplementedFutureServer ends all calls with UNIMPLEMENTED.
// Embed it in a $FutureServer that is to compile when methods are added.$Deprecated
type $UnimplementedFutureServer struct{}
`)
	f.eachShape(s, futureUnimplemented)
	f.put(s, `
// $RegisterFutureServer serves $Service with impl; env
// completes its futures. The errors are those of [server.Server.Register].$Deprecated
func $RegisterFutureServer(s *$server.Server, impl $FutureServer, env *$future.Environment) error {
	return s.Register(`)
	f.each(s, `
		$serverfuture.$Shape($Var, impl.$Method, env),`)
	f.put(s, `
	)
}
`)
}

// futureUnimplemented answers every method with UNIMPLEMENTED.
var futureUnimplemented = byShape{unary: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedFutureServer) $Method(
	_ *$serverfuture.Context, _ *$Req, sink *$serverfuture.ResponseSink[$Res],
) {
	sink.Fail($cqrpc.Status{Code: $cqrpc.CodeUnimplemented, Message: "method $Method is not implemented"})
}
`, serverStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedFutureServer) $Method(
	_ *$serverfuture.Context, _ *$Req, sink *$serverfuture.Sink[$Res],
) {
	sink.Fail($cqrpc.Status{Code: $cqrpc.CodeUnimplemented, Message: "method $Method is not implemented"})
}
`, clientStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedFutureServer) $Method(
	_ *$serverfuture.Context, _ *$serverfuture.Stream[$Req], sink *$serverfuture.ResponseSink[$Res],
) {
	sink.Fail($cqrpc.Status{Code: $cqrpc.CodeUnimplemented, Message: "method $Method is not implemented"})
}
`, bidiStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedFutureServer) $Method(
	_ *$serverfuture.Context, _ *$serverfuture.Stream[$Req], sink *$serverfuture.Sink[$Res],
) {
	sink.Fail($cqrpc.Status{Code: $cqrpc.CodeUnimplemented, Message: "method $Method is not implemented"})
}
`}
