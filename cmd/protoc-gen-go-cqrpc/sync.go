package main

// The sync style: methods that wait.

func syncClient(f *file, s *service) {
	f.put(s, `
// $SyncClient calls $Service in the sync style: its methods wait.$Doc
type $SyncClient struct{ channel *$client.Channel }

// $NewSyncClient returns a client on ch.
// Any number of goroutines may use it.$Deprecated
func $NewSyncClient(ch *$client.Channel) *$SyncClient { return &$SyncClient{ch} }
`)
	f.eachShape(s, byShape{unary: `
// $Method sends req and waits for the response.$Doc
func (c *$SyncClient) $Method(
	ctx $context.Context, req *$Req, opts ...$client.CallOption,
) (*$Res, error) {
	return $client.Unary(ctx, c.channel, $Var, req, opts...)
}
`, serverStream: `
// $Method sends req. Read the responses to the end, or close the call.$Doc
func (c *$SyncClient) $Method(
	ctx $context.Context, req *$Req, opts ...$client.CallOption,
) (*$client.ServerStreamCall[$Res], error) {
	return $client.ServerStream(ctx, c.channel, $Var, req, opts...)
}
`, clientStream: `
// $Method starts a call. Send the requests, then CloseAndRecv waits for the
// response.$Doc
func (c *$SyncClient) $Method(
	ctx $context.Context, opts ...$client.CallOption,
) (*$client.ClientStreamCall[$Req, $Res], error) {
	return $client.ClientStream(ctx, c.channel, $Var, opts...)
}
`, bidiStream: `
// $Method starts a call. One goroutine may send requests while another reads
// responses.$Doc
func (c *$SyncClient) $Method(
	ctx $context.Context, opts ...$client.CallOption,
) (*$client.BidiStreamCall[$Req, $Res], error) {
	return $client.BidiStream(ctx, c.channel, $Var, opts...)
}
`})
}

func syncServer(f *file, s *service) {
	f.put(s, `
// $SyncServer is $Service to be implemented in the sync style:
// each call runs on a goroutine of its own, and what the method returns ends it.$Doc
type $SyncServer interface {`)
	f.eachShape(s, byShape{unary: `
	// $Method gets the request and returns the response.$Doc
	$Method(ctx $context.Context, req *$Req) (*$Res, error)`,
		serverStream: `
	// $Method gets the request and sends responses to res.$Doc
	$Method(ctx $context.Context, req *$Req, res *$server.Sender[$Res]) error`,
		clientStream: `
	// $Method reads requests from req and returns the response.$Doc
	$Method(ctx $context.Context, req *$server.Receiver[$Req]) (*$Res, error)`,
		bidiStream: `
	// $Method reads requests from req and sends responses to res.$Doc
	$Method(ctx $context.Context, req *$server.Receiver[$Req], res *$server.Sender[$Res]) error`,
	})
	f.put(s, `
}

// $UnimplementedSyncServer ends all calls with UNIMPLEMENTED.
// Embed it in a $SyncServer that is to compile when methods are added.$Deprecated
type $UnimplementedSyncServer struct{}
`)
	f.eachShape(s, syncUnimplemented)
	f.put(s, `
// $RegisterSyncServer serves $Service with impl.
// The errors are those of [server.Server.Register].$Deprecated
func $RegisterSyncServer(s *$server.Server, impl $SyncServer) error {
	return s.Register(`)
	f.each(s, `
		$server.$Shape($Var, impl.$Method),`)
	f.put(s, `
	)
}
`)
}

// syncUnimplemented answers every method with UNIMPLEMENTED.
var syncUnimplemented = byShape{unary: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedSyncServer) $Method($context.Context, *$Req) (*$Res, error) {
	return nil, $cqrpc.Errorf($cqrpc.CodeUnimplemented, "method $Method is not implemented")
}
`, serverStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedSyncServer) $Method($context.Context, *$Req, *$server.Sender[$Res]) error {
	return $cqrpc.Errorf($cqrpc.CodeUnimplemented, "method $Method is not implemented")
}
`, clientStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedSyncServer) $Method($context.Context, *$server.Receiver[$Req]) (*$Res, error) {
	return nil, $cqrpc.Errorf($cqrpc.CodeUnimplemented, "method $Method is not implemented")
}
`, bidiStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedSyncServer) $Method(
	$context.Context, *$server.Receiver[$Req], *$server.Sender[$Res],
) error {
	return $cqrpc.Errorf($cqrpc.CodeUnimplemented, "method $Method is not implemented")
}
`}
