// Package cqrpc is the vocabulary every other package of this module speaks:
// [Code] and [Status] as they travel, [Error] as Go code meets a failed call,
// and [Metadata] as it goes beside the messages.
//
//	        the wire                            Go code
//	grpc-status, grpc-message    <->  Status  --Err-->       *Error
//	grpc-status-details-bin      <->    ^                      |
//	                                    +------- StatusOf -----+  (any error)
//	header and trailer fields    <->  Metadata
//
// Everything here is a plain value: it holds no lock, starts no goroutine and
// touches no connection. Values may be read by any number of goroutines;
// changing one, like any Go value, needs the caller's own synchronization.
package cqrpc
