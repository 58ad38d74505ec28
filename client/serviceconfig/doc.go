// Package serviceconfig makes options of a channel from a service config: the JSON in which gRPC
// keeps, apart from the code, how a service is to be called (service_config.md). [Options] is what
// grpc.WithDefaultServiceConfig is in grpc-go.
//
//	in the JSON                              the option
//	loadBalancingConfig                      client.WithBalancing
//	methodConfig.timeout                     client.WithTimeout
//	methodConfig.waitForReady                client.WithWaitForReady
//	methodConfig.maxRequestMessageBytes      client.WithMaxSendMessage
//	methodConfig.maxResponseMessageBytes     client.WithMaxRecvMessage
//	methodConfig.retryPolicy                 client.WithRetry
//	retryThrottling                          client.WithRetryThrottling
//
// # What is different
//
// The config is read once, when the channel is made: resolvers and DNS deliver none. A call's own
// options replace those of the config; in gRPC the smaller limit counts. hedgingPolicy and
// healthCheckConfig are left out, as grpc-go leaves out the first, and fields that gRPC does not know.
package serviceconfig
