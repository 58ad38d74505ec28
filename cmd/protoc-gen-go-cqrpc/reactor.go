package main

// The reactor style: objects whose methods are called when something is done.

func reactorClient(f *file, s *service) {
	f.put(s, `
// $ReactorClient calls $Service in the reactor style:
// the methods of a reactor run, one at a time, when what it has started is done.$Doc
type $ReactorClient struct{ stub *$clientreactor.Stub }

// $NewReactorClient returns a client on ch.
// Any number of goroutines may use it.
// The options say where reactions run.$Deprecated
func $NewReactorClient(ch *$client.Channel, opts ...$clientreactor.Option) *$ReactorClient {
	return &$ReactorClient{$clientreactor.New(ch, opts...)}
}
`)
	f.eachShape(s, byShape{unary: `
// $Method sends req and fills res, then done is called with the status.$Doc
func (c *$ReactorClient) $Method(
	ctx $context.Context, req *$Req, res *$Res, done func($cqrpc.Status), opts ...$client.CallOption,
) {
	$clientreactor.Unary(ctx, c.stub, $Var, req, res, done, opts...)
}

// $MethodReactor is $Method for a reactor. The call begins with StartCall.$Deprecated
func (c *$ReactorClient) $MethodReactor(
	ctx $context.Context, req *$Req, res *$Res, r $clientreactor.UnaryReactor, opts ...$client.CallOption,
) {
	$clientreactor.UnaryWith(ctx, c.stub, $Var, req, res, r, opts...)
}
`, serverStream: `
// $Method makes a call whose responses r reads. It begins with StartCall.$Doc
func (c *$ReactorClient) $Method(
	ctx $context.Context, req *$Req, r $clientreactor.ReadReactor[$Res], opts ...$client.CallOption,
) {
	$clientreactor.ServerStream(ctx, c.stub, $Var, req, r, opts...)
}
`, clientStream: `
// $Method makes a call whose requests r writes; res is filled when r is done.
// It begins with StartCall.$Doc
func (c *$ReactorClient) $Method(
	ctx $context.Context, res *$Res, r $clientreactor.WriteReactor[$Req], opts ...$client.CallOption,
) {
	$clientreactor.ClientStream(ctx, c.stub, $Var, res, r, opts...)
}
`, bidiStream: `
// $Method makes a call whose requests r writes and whose responses it reads. It
// begins with StartCall.$Doc
func (c *$ReactorClient) $Method(
	ctx $context.Context, r $clientreactor.BidiReactor[$Req, $Res], opts ...$client.CallOption,
) {
	$clientreactor.BidiStream(ctx, c.stub, $Var, r, opts...)
}
`})
}

func reactorServer(f *file, s *service) {
	f.put(s, `
// $ReactorServer is $Service to be implemented in the reactor style:
// each method returns the reactor for one call, nil to end it with UNIMPLEMENTED.$Doc
type $ReactorServer interface {`)
	f.eachShape(s, byShape{unary: `
	// $Method fills res; finishing the reactor sends it.$Doc
	$Method(ctx *$serverreactor.Context, req *$Req, res *$Res) $serverreactor.UnaryReactor`,
		serverStream: `
	// $Method returns a reactor that writes responses.$Doc
	$Method(ctx *$serverreactor.Context, req *$Req) $serverreactor.WriteReactor[$Res]`,
		clientStream: `
	// $Method returns a reactor that reads requests; finishing it sends res.$Doc
	$Method(ctx *$serverreactor.Context, res *$Res) $serverreactor.ReadReactor[$Req]`,
		bidiStream: `
	// $Method returns a reactor that reads requests and writes responses.$Doc
	$Method(ctx *$serverreactor.Context) $serverreactor.BidiReactor[$Req, $Res]`,
	})
	f.put(s, `
}

// $UnimplementedReactorServer ends all calls with UNIMPLEMENTED.
// Embed it in a $ReactorServer that is to compile when methods are added.$Deprecated
type $UnimplementedReactorServer struct{}
`)
	f.eachShape(s, reactorUnimplemented)
	f.put(s, `
// $RegisterReactorServer serves $Service with impl. The
// options say where reactions run, the errors are those of [server.Server.Register].$Deprecated
func $RegisterReactorServer(
	s *$server.Server, impl $ReactorServer, opts ...$serverreactor.Option,
) error {
	return s.Register(`)
	f.each(s, `
		$serverreactor.$Shape($Var, impl.$Method, opts...),`)
	f.put(s, `
	)
}
`)
}

// reactorUnimplemented answers every method with UNIMPLEMENTED.
var reactorUnimplemented = byShape{unary: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedReactorServer) $Method(
	*$serverreactor.Context, *$Req, *$Res,
) $serverreactor.UnaryReactor {
	return nil
}
`, serverStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedReactorServer) $Method(
	*$serverreactor.Context, *$Req,
) $serverreactor.WriteReactor[$Res] {
	return nil
}
`, clientStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedReactorServer) $Method(
	*$serverreactor.Context, *$Res,
) $serverreactor.ReadReactor[$Req] {
	return nil
}
`, bidiStream: `
// $Method ends the call with UNIMPLEMENTED.$Deprecated
func ($UnimplementedReactorServer) $Method(
	*$serverreactor.Context,
) $serverreactor.BidiReactor[$Req, $Res] {
	return nil
}
`}
