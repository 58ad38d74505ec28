package parity

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// suite is the tests of one of gRPC's own suites, by their names there.
type suite struct {
	prefix string // of all names
	names  string // separated by spaces
}

// catalogue is what gRPC itself tests of calls: C-core's end-to-end suite and
// its stand-alone tests, the C++ end-to-end tests, and those of grpc-rs. Each
// name is re-expressed by scenarios, which say so in Of, or in leftOut.
var catalogue = []suite{
	// C-core, end to end.
	{"", `
		no_op empty_batch simple_request simple_delayed_request simple_metadata trailing_metadata
		binary_metadata filtered_metadata large_metadata hpack_size payload request_with_payload
		request_with_flags invoke_large_request ping_pong_streaming client_streaming server_streaming
		streaming_error_response server_finishes_request write_buffering write_buffering_at_end
		compressed_payload registered_call call_host_override default_host call_creds proxy_auth grpc_authz
		negative_deadline timeout_before_request_call cancel_before_invoke cancel_in_a_vacuum
		cancel_after_invoke cancel_after_accept cancel_after_round_trip cancel_after_client_done
		cancel_with_status disappearing_server graceful_server_shutdown shutdown_finishes_tags
		shutdown_finishes_calls shutdown_finishes_pending_calls max_concurrent_streams connection_scaling
		max_connection_age max_connection_idle max_message_length keepalive_timeout bad_ping ping
		connectivity high_initial_seqno http2_stats channelz load_reporting_hook no_logging
		resource_quota_server filter_causes_close filter_init_fails filter_call_init_fails filter_context
		filter_latency filter_status_code`},
	{"", `
		retry retry_cancel_after_first_attempt_starts retry_cancel_during_delay
		retry_cancel_with_multiple_send_batches retry_cancellation retry_disabled
		retry_exceeds_buffer_size_in_delay retry_exceeds_buffer_size_in_initial_batch
		retry_exceeds_buffer_size_in_subsequent_batch retry_lb_drop retry_lb_fail retry_non_retriable_status
		retry_non_retriable_status_before_recv_trailing_metadata_started
		retry_non_retriable_status_before_trailers retry_per_attempt_recv_timeout
		retry_per_attempt_recv_timeout_on_last_attempt retry_recv_initial_metadata retry_recv_message
		retry_recv_message_replay retry_send_recv_batch retry_streaming retry_streaming_after_commit
		retry_streaming_succeeds_before_replay_finished retry_recv_trailing_metadata_error retry_send_op_fails
		retry_send_initial_metadata_refs retry_server_pushback_delay retry_server_pushback_disabled
		retry_throttled retry_too_many_attempts retry_transparent_goaway
		retry_transparent_max_concurrent_streams retry_transparent_not_sent_on_wire retry_unref_before_finish
		retry_unref_before_recv`},
	// C-core, end to end, historical.
	{"", `
		authority_not_supported auto_reconnect_channel bad_hostname buffer_pool_client buffer_pool_server
		cancel_after_accept_and_writes_closed census_simple_request channel_connectivity channel_ping
		channel_tracing early_server_shutdown_finishes_inflight_calls early_server_shutdown_finishes_tags
		idempotent_request incremental_message many_calls network_status_change no_error_on_hotpath
		request_response_with_metadata_and_payload request_response_with_binary_metadata_and_payload
		request_response_with_trailing_metadata_and_payload request_response_with_payload
		request_response_with_payload_and_call_creds request_with_large_metadata sdk_authz
		simple_cacheable_request stream_compression_compressed_payload stream_compression_payload
		stream_compression_ping_pong_streaming workaround_cronet_compression`},
	// C-core, stand-alone.
	{"", `invalid_call_argument multiple_server_queues no_server connection_refused goaway_server
		bad_server_response dualstack_socket lame_client channel_creation concurrent_connectivity
		sequential_connectivity num_external_connectivity_watchers server server_chttp2 byte_buffer_reader
		secure_channel_create inproc_callback h2_ssl_cert session_reuse`},
	{"completion_queue.", `no_op pollset_conversion wait_empty cq_end_op cq_tls_cache_full cq_tls_cache_empty
		shutdown_then_next_polling shutdown_then_next_with_timeout pluck pluck_after_shutdown callback`},
	{"completion_queue_threading.", `too_many_plucks 1x1 1x10 10x1 10x10`},
	{"bad_client.", `badreq bad_streaming_id connection_prefix duplicate_header headers head_of_line_blocking
		initial_settings_frame large_metadata out_of_bounds server_registered_method simple_request
		unknown_frame window_overflow close_fd ssl_alpn ssl_cert`},
	{"transport.", `graceful_shutdown too_many_pings streams_not_seen settings_timeout
		stream_leak_with_queued_flow_control_update remove_stream_from_stalled_lists ping_abuse_policy
		ping_rate_policy ping_configuration max_concurrent_streams_policy flow_control hpack_parser
		hpack_encoder bin_encoder bin_decoder timeout_encoding percent_encoding status_conversion
		bdp_estimator`},
	// C++, completion queues.
	{"AsyncEnd2endTest.", `SimpleRpc SimpleRpcWithExpectedError SequentialRpcs ReconnectChannel
		WaitAndShutdownTest ShutdownThenWaitTest DoThenAsyncNextRpc AsyncNextRpc SimpleClientStreaming
		SimpleClientStreamingWithCoalescingApi SimpleServerStreaming
		SimpleServerStreamingWithCoalescingApiWAF SimpleServerStreamingWithCoalescingApiWL
		SimpleBidiStreaming SimpleBidiStreamingWithCoalescingApiWAF SimpleBidiStreamingWithCoalescingApiWL
		ClientInitialMetadataRpc ServerInitialMetadataRpc ServerInitialMetadataServerStreaming
		ServerInitialMetadataServerStreamingImplicit ServerTrailingMetadataRpc MetadataRpc
		ServerCheckCancellation ServerCheckDone UnimplementedRpc`},
	{"AsyncEnd2endServerTryCancelTest.", `
		ClientStreamingServerTryCancelBefore ClientStreamingServerTryCancelDuring
		ClientStreamingServerTryCancelAfter ServerStreamingServerTryCancelBefore
		ServerStreamingServerTryCancelDuring ServerStreamingServerTryCancelAfter
		ServerBidiStreamingTryCancelBefore ServerBidiStreamingTryCancelDuring
		ServerBidiStreamingTryCancelAfter`},
	// C++, sync.
	{"End2endServerTryCancelTest.", `RequestEchoServerCancel RequestStreamServerCancelBeforeReads
		RequestStreamServerCancelDuringRead RequestStreamServerCancelAfterReads
		ResponseStreamServerCancelBefore ResponseStreamServerCancelDuring ResponseStreamServerCancelAfter
		BidiStreamServerCancelBefore BidiStreamServerCancelDuring BidiStreamServerCancelAfter`},
	{"End2endTest.", `SimpleRpcWithCustomUserAgentPrefix MultipleRpcs MultipleRpcsWithVariedBinaryMetadataValue
		ManyStubs EmptyBinaryMetadata AuthoritySeenOnServerSide ReconnectChannel RequestStreamOneRequest
		RequestStreamOneRequestWithCoalescingApi RequestStreamTwoRequests
		RequestStreamTwoRequestsWithWriteThrough RequestStreamTwoRequestsWithCoalescingApi ResponseStream
		ResponseStreamWithCoalescingApi ResponseStreamWithEverythingCoalesced BidiStream
		BidiStreamWithCoalescingApi BidiStreamWithEverythingCoalesced DiffPackageServices
		CancelRpcBeforeStart CancelRpcAfterStart ClientCancelsRequestStream ClientCancelsResponseStream
		ClientCancelsBidi RpcMaxMessageSize SimultaneousReadWritesDone ChannelState ChannelStateTimeout
		NonExistingService BinaryTrailerTest ExpectErrorTest Peer`},
	{"ProxyEnd2endTest.", `SimpleRpc SimpleRpcWithEmptyMessages RpcDeadlineExpires RpcLongDeadline EchoDeadline
		EchoDeadlineForNoDeadlineRpc UnimplementedRpc ClientCancelsRpc ServerCancelsRpc HugeResponse`},
	{"SecureEnd2endTest.", `SimpleRpcWithHost CredentialPlugin`},
	// C++, reactors.
	{"ClientCallbackEnd2endTest.", `SimpleRpc SimpleRpcUnderLock SimpleRpcUnderLockNested SequentialRpcs
		SequentialRpcsRawReq SequentialRpcsVariedBinaryMetadata SequentialGenericRpcs
		SequentialGenericRpcsVariedBinaryMetadata SendClientInitialMetadata MultipleRpcs
		MultipleRpcsVariedBinaryMetadata CancelRpcBeforeStart RequestEchoServerCancel RequestStream
		ClientCancelsRequestStream RequestStreamServerCancelBeforeReads RequestStreamServerCancelDuringRead
		RequestStreamServerCancelAfterReads UnaryReactor GenericUnaryReactor ResponseStream
		ClientCancelsResponseStream ResponseStreamServerCancelBefore ResponseStreamServerCancelDuring
		ResponseStreamServerCancelAfter BidiStream BidiStreamFirstWriteAsync BidiStreamCorked
		BidiStreamCorkedFirstWriteAsync ClientCancelsBidiStream BidiStreamServerCancelBefore
		BidiStreamServerCancelDuring BidiStreamServerCancelAfter SimultaneousReadAndWritesDone
		UnimplementedRpc TestTrailersOnlyOnError ResponseStreamExtraReactionFlowReadsUntilDone`},
	// C++, the rest.
	{"AlarmTest.", `RegularExpiry RegularExpiryMultiSet RegularExpiryMultiSetMultiCQ RegularExpiryChrono
		CallbackRegularExpiry MultithreadedRegularExpiry ZeroExpiry NegativeExpiry CallbackZeroExpiry
		CallbackNegativeExpiry Cancellation CallbackCancellation CallbackCancellationLocked SetDestruction
		UnsetDestruction MoveConstructor MoveAssignment`},
	{"GenericEnd2endTest.", `SimpleRpc SequentialRpcs SequentialUnaryRpcs SimpleBidiStreaming Deadline
		ShortDeadline`},
	{"", `hybrid_end2end_test raw_end2end_test message_allocator_end2end_test context_allocator_end2end_test
		nonblocking_test server_early_return_test shutdown_test thread_stress_test
		streaming_throughput_test mock_test exception_test filter_end2end_test
		client_interceptors_end2end_test server_interceptors_end2end_test delegating_channel_test
		service_config_end2end_test client_lb_end2end_test cardinality_violation_test
		health_service_end2end_test proto_server_reflection_test server_builder_plugin_test
		port_sharing_end2end_test channelz_service_test admin_services latent_see_service
		resource_quota_end2end_stress_test time_change_test flaky_network_test client_crash_test
		server_crash_test client_fork_test cfstream connection_delay_injectors ssl_credentials
		tls_credentials tls_key_export mtls crl spiffe authz orca_service rls grpclb
		server_load_reporting xds`},
	{"grpc-rs.", `client_cancel_on_dropping server_cancel_on_dropping early_exit kick deadlock peer soundness
		unix_domain_socket shutdown_when_exists_grpc_call custom_checker_server_side connectivity
		client_send_all metadata rich_error`},
}

// names is the catalogue as a set.
func names() map[string]bool {
	all := make(map[string]bool)
	for _, s := range catalogue {
		for _, name := range strings.Fields(s.names) {
			all[s.prefix+name] = true
		}
	}
	return all
}

// TestCatalogue checks that each name of the catalogue is either re-expressed or
// left out with a reason, and that nothing else is claimed.
func TestCatalogue(t *testing.T) {
	all, expressed := names(), make(map[string]bool)
	for _, s := range Scenarios {
		for _, name := range strings.Split(s.Of, ", ") {
			if name != "" && !all[name] {
				t.Errorf("%s is of %q, which is not in the catalogue", s.Name, name)
			}
			expressed[name] = true
		}
	}
	left := make(map[string]string)
	for _, l := range leftOut {
		for _, pattern := range strings.Fields(l.names) {
			matched := matching(all, pattern)
			if len(matched) == 0 {
				t.Errorf("%q is left out, and matches nothing in the catalogue", pattern)
			}
			for _, name := range matched {
				if expressed[name] {
					t.Errorf("%s is left out by %q, and re-expressed", name, pattern)
				}
				if other, ok := left[name]; ok {
					t.Errorf("%s is left out twice, by %q and %q", name, other, pattern)
				}
				left[name] = pattern
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !expressed[name] && left[name] == "" {
			t.Errorf("%s is neither re-expressed nor left out", name)
		}
	}
	t.Logf("%d names: %d re-expressed, %d left out", len(all), len(all)-len(left), len(left))
}

func matching(all map[string]bool, pattern string) []string {
	var matched []string
	for name := range all {
		if ok, _ := path.Match(pattern, name); ok {
			matched = append(matched, name)
		}
	}
	return matched
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+|Example\w*)\(`)

// TestReferences checks that the tests to which leftOut refers exist.
func TestReferences(t *testing.T) {
	known := make(map[string][]string) // by directory
	for _, l := range leftOut {
		if l.tests == "" && l.why == "" {
			t.Errorf("no reason for leaving out %s", l.names)
		}
		for _, ref := range strings.Fields(l.tests) {
			dir, name := path.Split(ref)
			if known[dir] == nil {
				known[dir] = testsIn(t, dir)
			}
			if !slices.Contains(known[dir], name) {
				t.Errorf("%s does not exist, to which %s refers", ref, l.names)
			}
		}
	}
}

// testsIn lists the tests of a package of the repository.
func testsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			tests = append(tests, string(m[1]))
		}
	}
	return tests
}
