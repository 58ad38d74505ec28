package interop

import "context"

// Case is one of the test descriptions.
type Case struct {
	Name string
	// Soaks marks those whose length is up to Config.Soak.
	Soaks bool
	// Gzip marks those that want more of the server than grpc-go's has: to tell
	// whether a message came compressed, and to compress.
	Gzip bool
	// ID marks those for which the server has to have an identifier, which
	// grpc-go's has not.
	ID bool

	run func(ctx context.Context, c *Client) error
}

// Cases is all that need no cloud, in the order of the descriptions. Read only.
var Cases = []Case{
	{Name: "empty_unary", run: emptyUnary},
	{Name: "large_unary", run: largeUnary},
	{Name: "client_compressed_unary", Gzip: true, run: clientCompressedUnary},
	{Name: "server_compressed_unary", Gzip: true, run: serverCompressedUnary},
	{Name: "client_streaming", run: clientStreaming},
	{Name: "client_compressed_streaming", Gzip: true, run: clientCompressedStreaming},
	{Name: "server_streaming", run: serverStreaming},
	{Name: "server_compressed_streaming", Gzip: true, run: serverCompressedStreaming},
	{Name: "ping_pong", run: pingPong},
	{Name: "empty_stream", run: emptyStream},
	{Name: "custom_metadata", run: customMetadata},
	{Name: "status_code_and_message", run: statusCodeAndMessage},
	{Name: "special_status_message", run: specialStatusMessage},
	{Name: "unimplemented_method", run: unimplementedMethod},
	{Name: "unimplemented_service", run: unimplementedService},
	{Name: "cancel_after_begin", run: cancelAfterBegin},
	{Name: "cancel_after_first_response", run: cancelAfterFirstResponse},
	{Name: "timeout_on_sleeping_server", run: timeoutOnSleepingServer},
	{Name: "concurrent_large_unary", run: concurrentLargeUnary},
	{Name: "pick_first_unary", ID: true, run: pickFirstUnary},
	{Name: "orca_per_rpc", run: orcaPerRPC},
	{Name: "orca_oob", run: orcaOutOfBand},
	{Name: "rpc_soak", Soaks: true, run: rpcSoak},
	{Name: "channel_soak", Soaks: true, run: channelSoak},
	{Name: "long_lived_channel", Soaks: true, run: rpcSoak},
}

const needsCloud = "it needs credentials of a cloud"

// leftOut is the descriptions that are no Case, and why.
var leftOut = map[string]string{
	"cacheable_unary": "it needs a caching proxy, and GET, which gRPC over HTTP/2 no longer has; " +
		"the server has the method",
	"compute_engine_creds":               needsCloud,
	"jwt_token_creds":                    needsCloud,
	"oauth2_auth_token":                  needsCloud,
	"per_rpc_creds":                      needsCloud,
	"service_account_creds":              needsCloud,
	"google_default_credentials":         needsCloud,
	"compute_engine_channel_credentials": needsCloud,
}
