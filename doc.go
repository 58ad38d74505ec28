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
// # Where to begin
//
// Programs make calls with package client and serve them with package server, in the sync style that is
// like grpc-go's, or in one of the styles below those: async (a completion queue), reactor, future. The
// generator cmd/protoc-gen-go-cqrpc writes stubs and interfaces for all of them; package grpccompat runs
// those that were generated for grpc-go. Packages cq and call are the engine, for programs that use it
// without a style, and call has the filters and retry policies of all. Packages transport and frame are
// HTTP/2, and not for applications, but for transport.Config.
//
// # Concurrency
//
// Everything here is a plain value: it holds no lock, starts no goroutine and
// touches no connection. Values may be read by any number of goroutines;
// changing one, like any Go value, needs the caller's own synchronization.
package cqrpc
