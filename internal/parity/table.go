package parity

// Scenarios is the table, grouped as the files are in which to find them. Read
// only.
var Scenarios = []Scenario{
	// shape.go
	{Name: "empty_unary", run: emptyUnary, Of: "" +
		"simple_request, AsyncEnd2endTest.SimpleRpc, ProxyEnd2endTest.SimpleRpc, " +
		"ProxyEnd2endTest.SimpleRpcWithEmptyMessages, ClientCallbackEnd2endTest.SimpleRpc"},
	{Name: "calls_one_after_the_other", run: sequentialCalls, Of: "" +
		"payload, request_with_payload, request_response_with_payload, AsyncEnd2endTest.SequentialRpcs, " +
		"ClientCallbackEnd2endTest.SequentialRpcs"},
	{Name: "large_unary", run: largeUnary, Of: "invoke_large_request, ProxyEnd2endTest.HugeResponse"},
	{Name: "server_streaming", run: serverStreaming, Of: "" +
		"server_streaming, AsyncEnd2endTest.SimpleServerStreaming, End2endTest.ResponseStream, " +
		"ClientCallbackEnd2endTest.ResponseStream"},
	{Name: "client_streaming", run: clientStreaming, Of: "" +
		"client_streaming, AsyncEnd2endTest.SimpleClientStreaming, End2endTest.RequestStreamTwoRequests, " +
		"ClientCallbackEnd2endTest.RequestStream"},
	{Name: "client_stream_of_one_request", run: oneRequest, Of: "End2endTest.RequestStreamOneRequest"},
	{Name: "ping_pong", run: pingPong, Of: "" +
		"AsyncEnd2endTest.SimpleBidiStreaming, End2endTest.BidiStream, ClientCallbackEnd2endTest.BidiStream"},
	{Name: "ping_pong_of_1_to_10_rounds", run: pingPongOneToTen, Of: "ping_pong_streaming"},
	{Name: "half_duplex_answers_after_the_half_close", run: halfDuplex},
	{Name: "empty_stream_ends_OK", run: emptyStream},
	{Name: "empty_messages_are_messages", run: emptyMessages},
	{Name: "server_goes_on_after_the_half_close", run: serverGoesOn},
	{Name: "one_goroutine_sends_while_another_receives", run: sendWhileReceiving, Of: "grpc-rs.deadlock"},
	{Name: "half_close_while_a_receive_waits", run: closeWhileReceiving, Of: "" +
		"End2endTest.SimultaneousReadWritesDone, ClientCallbackEnd2endTest.SimultaneousReadAndWritesDone"},
	{Name: "many_small_messages_both_ways", Heavy: true, run: manyMessages},
	{Name: "unimplemented_method_of_every_shape", run: unimplementedMethod, Of: "" +
		"AsyncEnd2endTest.UnimplementedRpc, ProxyEnd2endTest.UnimplementedRpc, " +
		"ClientCallbackEnd2endTest.UnimplementedRpc"},
	{Name: "unimplemented_service", run: unimplementedService, Of: "" +
		"End2endTest.NonExistingService, End2endTest.DiffPackageServices"},

	// metadata.go
	{Name: "custom_metadata", run: customMetadata, Of: "" +
		"simple_metadata, grpc-rs.metadata, AsyncEnd2endTest.MetadataRpc, " +
		"ClientCallbackEnd2endTest.SendClientInitialMetadata"},
	{Name: "metadata_keeps_values_and_their_order", run: metadataBothWays, Of: "" +
		"trailing_metadata, binary_metadata, request_response_with_metadata_and_payload, " +
		"request_response_with_binary_metadata_and_payload, " +
		"request_response_with_trailing_metadata_and_payload, AsyncEnd2endTest.ClientInitialMetadataRpc, " +
		"AsyncEnd2endTest.ServerInitialMetadataRpc, AsyncEnd2endTest.ServerTrailingMetadataRpc, " +
		"End2endTest.EmptyBinaryMetadata"},
	{Name: "metadata_of_a_stream", run: metadataOfStream, Of: "AsyncEnd2endTest.ServerInitialMetadataServerStreaming"},
	{Name: "header_may_be_asked_for_after_a_message", run: headerAfterMessage, Of: "" +
		"AsyncEnd2endTest.ServerInitialMetadataServerStreamingImplicit"},
	{Name: "initial_metadata_does_not_wait_for_a_message", run: earlyHeader},
	{Name: "initial_metadata_goes_out_once", run: secondHeader},
	{Name: "trailing_metadata_comes_with_an_error", run: trailerWithError, Of: "End2endTest.BinaryTrailerTest"},
	{Name: "metadata_of_10_KiB", run: longMetadata, Of: "request_with_large_metadata"},
	{Name: "metadata_over_the_limit_fails_its_call_only", run: metadataOverLimit, Of: "large_metadata"},
	{Name: "metadata_differs_from_call_to_call", run: changingMetadata, Of: "" +
		"End2endTest.MultipleRpcsWithVariedBinaryMetadataValue, " +
		"ClientCallbackEnd2endTest.SequentialRpcsVariedBinaryMetadata, " +
		"ClientCallbackEnd2endTest.MultipleRpcsVariedBinaryMetadata"},
	{Name: "server_knows_peer_authority_and_user_agent", run: clientIsKnown, Of: "" +
		"default_host, End2endTest.Peer, End2endTest.AuthoritySeenOnServerSide, " +
		"End2endTest.SimpleRpcWithCustomUserAgentPrefix, grpc-rs.peer"},
	{Name: "authority_that_the_client_was_told", run: authorityOverride, Of: "" +
		"call_host_override, authority_not_supported, SecureEnd2endTest.SimpleRpcWithHost"},

	// deadline.go
	{Name: "deadline_reaches_the_handler", run: deadlineTravels, Of: "" +
		"ProxyEnd2endTest.EchoDeadline, ProxyEnd2endTest.RpcLongDeadline"},
	{Name: "no_deadline_is_none", run: noDeadline, Of: "ProxyEnd2endTest.EchoDeadlineForNoDeadlineRpc"},
	{Name: "deadline_ends_both_ends_of_every_shape", run: deadlineEndsBoth, Of: "" +
		"ProxyEnd2endTest.RpcDeadlineExpires, cancel_after_accept"},
	{Name: "deadline_that_has_passed", run: deadlinePassed, Of: "negative_deadline"},
	{Name: "timeout_on_sleeping_server", run: timeoutOnSleepingServer},
	{Name: "deadline_ends_a_send_that_flow_control_holds", run: deadlineEndsSend},

	// cancel.go
	{Name: "cancel_before_begin_of_every_shape", run: cancelBeforeBegin, Of: "" +
		"cancel_before_invoke, End2endTest.CancelRpcBeforeStart, " +
		"ClientCallbackEnd2endTest.CancelRpcBeforeStart"},
	{Name: "cancel_of_every_shape_reaches_the_handler", run: cancelWhileServed, Of: "" +
		"cancel_after_accept, AsyncEnd2endTest.ServerCheckCancellation, End2endTest.CancelRpcAfterStart, " +
		"ProxyEnd2endTest.ClientCancelsRpc"},
	{Name: "cancel_after_begin", run: cancelAfterBegin, Of: "" +
		"cancel_after_invoke, End2endTest.ClientCancelsRequestStream, " +
		"ClientCallbackEnd2endTest.ClientCancelsRequestStream"},
	{Name: "cancel_after_first_response", run: cancelAfterFirstResponse, Of: "" +
		"End2endTest.ClientCancelsResponseStream, End2endTest.ClientCancelsBidi, " +
		"ClientCallbackEnd2endTest.ClientCancelsResponseStream, " +
		"ClientCallbackEnd2endTest.ClientCancelsBidiStream, cancel_after_round_trip"},
	{Name: "cancel_after_the_half_close", run: cancelAfterHalfClose, Of: "" +
		"cancel_after_client_done, cancel_after_accept_and_writes_closed"},
	{Name: "cancel_after_the_end_changes_nothing", run: cancelAfterEnd},
	{Name: "cancel_ends_a_send_that_flow_control_holds", run: cancelEndsSend},
	{Name: "cancel_of_one_call_leaves_the_others", run: cancelOne},

	// servercancel.go
	{Name: "server_answers_CANCELLED", run: serverAnswersCancelled, Of: "" +
		"ProxyEnd2endTest.ServerCancelsRpc, grpc-rs.server_cancel_on_dropping"},
	{Name: "server_cancels_a_unary_call", Needs: TryCancel, run: tryCancelUnary, Of: "" +
		"End2endServerTryCancelTest.RequestEchoServerCancel, " +
		"ClientCallbackEnd2endTest.RequestEchoServerCancel"},
	{Name: "server_cancels_before_during_and_after_requests", Needs: TryCancel, run: tryCancelRequests, Of: "" +
		"AsyncEnd2endServerTryCancelTest.ClientStreamingServerTryCancelBefore, " +
		"AsyncEnd2endServerTryCancelTest.ClientStreamingServerTryCancelDuring, " +
		"AsyncEnd2endServerTryCancelTest.ClientStreamingServerTryCancelAfter, " +
		"End2endServerTryCancelTest.RequestStreamServerCancelBeforeReads, " +
		"End2endServerTryCancelTest.RequestStreamServerCancelDuringRead, " +
		"End2endServerTryCancelTest.RequestStreamServerCancelAfterReads, " +
		"ClientCallbackEnd2endTest.RequestStreamServerCancelBeforeReads, " +
		"ClientCallbackEnd2endTest.RequestStreamServerCancelDuringRead, " +
		"ClientCallbackEnd2endTest.RequestStreamServerCancelAfterReads"},
	{Name: "server_cancels_before_during_and_after_responses", Needs: TryCancel, run: tryCancelResponses, Of: "" +
		"AsyncEnd2endServerTryCancelTest.ServerStreamingServerTryCancelBefore, " +
		"AsyncEnd2endServerTryCancelTest.ServerStreamingServerTryCancelDuring, " +
		"AsyncEnd2endServerTryCancelTest.ServerStreamingServerTryCancelAfter, " +
		"End2endServerTryCancelTest.ResponseStreamServerCancelBefore, " +
		"End2endServerTryCancelTest.ResponseStreamServerCancelDuring, " +
		"End2endServerTryCancelTest.ResponseStreamServerCancelAfter, " +
		"ClientCallbackEnd2endTest.ResponseStreamServerCancelBefore, " +
		"ClientCallbackEnd2endTest.ResponseStreamServerCancelDuring, " +
		"ClientCallbackEnd2endTest.ResponseStreamServerCancelAfter"},
	{Name: "server_cancels_before_during_and_after_both", Needs: TryCancel, run: tryCancelBoth, Of: "" +
		"AsyncEnd2endServerTryCancelTest.ServerBidiStreamingTryCancelBefore, " +
		"AsyncEnd2endServerTryCancelTest.ServerBidiStreamingTryCancelDuring, " +
		"AsyncEnd2endServerTryCancelTest.ServerBidiStreamingTryCancelAfter, " +
		"End2endServerTryCancelTest.BidiStreamServerCancelBefore, " +
		"End2endServerTryCancelTest.BidiStreamServerCancelDuring, " +
		"End2endServerTryCancelTest.BidiStreamServerCancelAfter, " +
		"ClientCallbackEnd2endTest.BidiStreamServerCancelBefore, " +
		"ClientCallbackEnd2endTest.BidiStreamServerCancelDuring, " +
		"ClientCallbackEnd2endTest.BidiStreamServerCancelAfter"},

	// status.go
	{Name: "status_code_and_message", run: statusCodeAndMessage, Of: "" +
		"AsyncEnd2endTest.SimpleRpcWithExpectedError, End2endTest.ExpectErrorTest"},
	{Name: "every_code_arrives", run: everyCode},
	{Name: "special_status_message", run: specialMessages},
	{Name: "trailers_only_of_every_shape", run: trailersOnly, Of: "ClientCallbackEnd2endTest.TestTrailersOnlyOnError"},
	{Name: "status_details", run: statusDetails, Of: "grpc-rs.rich_error"},
	{Name: "status_comes_after_all_messages", run: statusAfterMessages, Of: "streaming_error_response"},
	{Name: "status_before_the_client_has_sent_all", run: earlyStatus, Of: "" +
		"server_early_return_test, grpc-rs.early_exit"},
	{Name: "response_before_the_client_has_sent_all", run: earlyResponse},
	{Name: "OK_before_the_client_has_half_closed", run: earlyOK, Of: "server_finishes_request"},

	// size.go
	{Name: "messages_of_16_MiB", Heavy: true, run: hugeMessages},
	{Name: "client_refuses_a_response_over_its_limit", run: clientRecvLimit, Of: "max_message_length"},
	{Name: "server_refuses_a_request_over_its_limit", run: serverRecvLimit, Of: "" +
		"max_message_length, End2endTest.RpcMaxMessageSize"},
	{Name: "client_does_not_send_over_its_limit", run: clientSendLimit},
	{Name: "server_does_not_send_over_its_limit", run: serverSendLimit},
	{Name: "limit_holds_for_each_message_of_a_stream", run: streamRecvLimit},

	// compression.go
	{Name: "client_compresses", run: clientCompresses, Of: "compressed_payload"},
	{Name: "server_compresses", run: serverCompresses, Of: "compressed_payload"},
	{Name: "both_compress_a_stream", run: bothCompress},
	{Name: "limit_counts_inflated_bytes", run: inflatedLimit},

	// encoded.go
	{Name: "message_encoded_once_on_many_streams_both_ways", Needs: Encoding, run: encodedOnce},

	// filter.go
	{Name: "filter_of_a_server_sees_every_call", Needs: HostFilter, run: hostFilterSees, Of: "" +
		"filter_latency, filter_end2end_test, server_interceptors_end2end_test"},
	{Name: "filter_of_a_server_gives_handlers_a_value", Needs: HostFilter, run: hostFilterLetsIn, Of: "filter_context"},
	{Name: "filter_of_a_server_refuses_calls", Needs: HostFilter, run: hostFilterRefuses, Of: "" +
		"filter_causes_close, filter_init_fails, grpc-rs.custom_checker_server_side"},
	{Name: "filter_of_a_server_refuses_messages", Needs: HostFilter, run: hostFilterRefusesMessages},
	{Name: "filter_of_a_server_panics", Needs: HostFilter, run: hostFilterPanics},
	{Name: "filter_of_a_server_knows_the_end", Needs: HostFilter, run: hostFilterKnowsTheEnd, Of: "filter_status_code"},
	{Name: "filter_of_a_client_sees_every_call", Needs: CallerFilter, run: callerFilterSees, Of: "" +
		"client_interceptors_end2end_test, call_creds, request_response_with_payload_and_call_creds, " +
		"SecureEnd2endTest.CredentialPlugin"},
	{Name: "filter_of_a_client_refuses_calls", Needs: CallerFilter, run: callerFilterRefuses, Of: "" +
		"filter_call_init_fails"},
	{Name: "filter_of_a_client_refuses_messages", Needs: CallerFilter, run: callerFilterRefusesMessages},
	{Name: "filter_of_a_client_knows_the_end", Needs: CallerFilter, run: callerFilterKnowsTheEnd, Of: "" +
		"filter_status_code"},

	// flow.go
	{Name: "slow_client_holds_the_server_back", Heavy: true, run: slowClient},
	{Name: "slow_server_holds_the_client_back", Heavy: true, run: slowServer},
	{Name: "responses_that_nobody_reads", run: unreadResponses},
	{Name: "requests_that_nobody_reads", run: unreadRequests},

	// concurrency.go
	{Name: "a_thousand_streams_at_once", Heavy: true, run: manyStreams},
	{Name: "calls_over_the_stream_limit_wait", run: streamLimit, Of: "max_concurrent_streams"},
	{Name: "call_that_waits_for_a_stream_is_cancelled", run: streamLimitCancel, Of: "max_concurrent_streams"},
	{Name: "unary_calls_from_many_goroutines", run: manyGoroutines, Of: "" +
		"many_calls, End2endTest.MultipleRpcs, ClientCallbackEnd2endTest.MultipleRpcs"},
	{Name: "every_shape_at_once", run: everyShapeAtOnce},
	{Name: "many_channels", run: manyChannels, Of: "End2endTest.ManyStubs"},
	{Name: "soak", Heavy: true, run: soak},

	// connection.go
	{Name: "drain_lets_calls_finish", run: drainLetsCallsFinish, Of: "" +
		"graceful_server_shutdown, grpc-rs.shutdown_when_exists_grpc_call"},
	{Name: "drain_lets_calls_of_every_shape_finish", run: drainOfEveryShape, Of: "" +
		"early_server_shutdown_finishes_inflight_calls, shutdown_test"},
	{Name: "lost_connection_is_UNAVAILABLE", run: lostConnection, Of: "auto_reconnect_channel"},
	{Name: "connection_lost_between_messages", run: lostMessages, Of: "" +
		"disappearing_server, AsyncEnd2endTest.ReconnectChannel, End2endTest.ReconnectChannel"},
	{Name: "stopped_server_is_UNAVAILABLE", run: stoppedServer, Of: "shutdown_finishes_calls"},
	{Name: "no_server_is_UNAVAILABLE", run: noServer, Of: "no_server, connection_refused"},
	{Name: "wait_for_ready", run: waitForReady, Of: "simple_delayed_request"},
	{Name: "wait_for_ready_may_be_cancelled", run: waitNoLonger},
	{Name: "closed_channel_ends_its_calls", run: closedChannel},

	// retry.go
	{Name: "policy_repeats_calls_of_every_shape", run: retried, Of: "" +
		"retry, retry_streaming, retry_send_recv_batch"},
	{Name: "policy_ends_after_its_attempts", run: tooManyAttempts, Of: "retry_too_many_attempts"},
	{Name: "policy_does_not_repeat_every_failure", run: notRetried, Of: "" +
		"retry_non_retriable_status, retry_disabled, retry_server_pushback_disabled, retry_recv_initial_metadata"},
	{Name: "policy_does_not_repeat_what_was_answered", run: committed, Of: "" +
		"retry_recv_message, retry_streaming_after_commit"},
	{Name: "policy_may_be_cancelled_between_attempts", Needs: Pause, run: cancelBetweenAttempts, Of: "" +
		"retry_cancel_during_delay"},

	// malformed.go
	{Name: "request_that_does_not_parse", About: HostEnd, run: malformedRequest},
	{Name: "request_too_many_or_too_few", About: HostEnd, Needs: Cardinality, run: requestCardinality, Of: "" +
		"cardinality_violation_test"},
	{Name: "response_that_does_not_parse", About: CallerEnd, run: malformedResponse},
	{Name: "response_too_many_or_too_few", About: CallerEnd, Needs: Cardinality, run: responseCardinality, Of: "" +
		"cardinality_violation_test"},
}
