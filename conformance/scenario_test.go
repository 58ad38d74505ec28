package conformance

import (
	"slices"
	"testing"
)

// scenario is one thing that any gRPC client and server must do together.
type scenario struct {
	name string // the rule, as a sentence
	run  func(t *testing.T, p *pairing)
}

// scenarios are grouped as the files are in which to find them.
var scenarios = []scenario{
	// shape_test.go
	{"empty_unary", emptyUnary},
	{"large_unary", largeUnary},
	{"server_streaming", serverStreaming},
	{"client_streaming", clientStreaming},
	{"ping_pong", pingPong},
	{"half_duplex_answers_after_the_half_close", halfDuplex},
	{"empty_stream_ends_OK", emptyStream},
	{"empty_messages_are_messages", emptyMessages},
	{"server_goes_on_after_the_half_close", serverGoesOn},
	{"one_goroutine_sends_while_another_receives", sendWhileReceiving},
	{"many_small_messages_both_ways", manyMessages},
	{"unimplemented_method", unimplementedMethod},
	{"unimplemented_service", unimplementedService},

	// metadata_test.go
	{"custom_metadata", customMetadata},
	{"metadata_keeps_values_and_their_order", metadataBothWays},
	{"metadata_of_a_stream", metadataOfStream},
	{"initial_metadata_does_not_wait_for_a_message", earlyHeader},
	{"trailing_metadata_comes_with_an_error", trailerWithError},
	{"metadata_of_10_KiB", longMetadata},
	{"metadata_differs_from_call_to_call", changingMetadata},

	// deadline_test.go
	{"deadline_reaches_the_handler", deadlineTravels},
	{"no_deadline_is_none", noDeadline},
	{"deadline_ends_both_ends", deadlineEndsBoth},
	{"deadline_that_has_passed", deadlinePassed},
	{"timeout_on_sleeping_server", timeoutOnSleepingServer},
	{"deadline_ends_a_send_that_flow_control_holds", deadlineEndsSend},

	// cancel_test.go
	{"cancel_before_begin", cancelBeforeBegin},
	{"cancel_after_begin", cancelAfterBegin},
	{"cancel_after_first_response", cancelAfterFirstResponse},
	{"cancel_of_a_unary_call_reaches_the_handler", cancelUnary},
	{"cancel_ends_a_send_that_flow_control_holds", cancelEndsSend},
	{"server_cancels", serverCancels},
	{"cancel_of_one_call_leaves_the_others", cancelOne},

	// status_test.go
	{"status_code_and_message", statusCodeAndMessage},
	{"every_code_arrives", everyCode},
	{"special_status_message", specialMessages},
	{"status_details", statusDetails},
	{"status_comes_after_all_messages", statusAfterMessages},
	{"status_before_the_client_has_sent_all", earlyStatus},
	{"response_before_the_client_has_sent_all", earlyResponse},

	// size_test.go
	{"messages_of_16_MiB", hugeMessages},
	{"client_refuses_a_response_over_its_limit", clientRecvLimit},
	{"server_refuses_a_request_over_its_limit", serverRecvLimit},
	{"client_does_not_send_over_its_limit", clientSendLimit},
	{"server_does_not_send_over_its_limit", serverSendLimit},

	// compression_test.go
	{"client_compresses", clientCompresses},
	{"server_compresses", serverCompresses},
	{"both_compress_a_stream", bothCompress},
	{"limit_counts_inflated_bytes", inflatedLimit},

	// flow_test.go
	{"slow_client_holds_the_server_back", slowClient},
	{"slow_server_holds_the_client_back", slowServer},

	// concurrency_test.go
	{"a_thousand_streams_at_once", thousandStreams},
	{"calls_over_the_stream_limit_wait", streamLimit},
	{"unary_calls_from_many_goroutines", manyGoroutines},
	{"soak", soak},

	// connection_test.go
	{"drain_lets_calls_finish", drainLetsCallsFinish},
	{"lost_connection_is_UNAVAILABLE", lostConnection},
	{"stopped_server_is_UNAVAILABLE", stoppedServer},
	{"no_server_is_UNAVAILABLE", noServer},
	{"wait_for_ready", waitForReady},
}

// heavy scenarios take seconds each. The reference need not prove itself in
// them, and over TLS the sync style is enough.
var heavy = []string{
	"many_small_messages_both_ways",
	"messages_of_16_MiB",
	"slow_client_holds_the_server_back",
	"slow_server_holds_the_client_back",
	"a_thousand_streams_at_once",
	"soak",
}

// spares reports pairings that a heavy scenario leaves out.
func (s *scenario) spares(p *pairing) bool {
	if !slices.Contains(heavy, s.name) {
		return false
	}
	isQueue := p.caller.name == "cqrpc-queue" || p.host.name == "cqrpc-queue"
	return p.isReference() || p.credentials != nil && isQueue
}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range pairings(t) {
				if s.spares(p) {
					continue
				}
				t.Run(p.name(), func(t *testing.T) {
					t.Parallel()
					s.run(t, p)
				})
			}
		})
	}
}
