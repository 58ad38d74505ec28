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
//	healthCheckConfig.serviceName            client.WithHealthCheck
//
// # What is different
//
// The config is read once, when the channel is made: resolvers and DNS deliver none. A call's own
// options replace those of the config; in gRPC the smaller limit counts. hedgingPolicy is left out, as
// in grpc-go, and so are fields that gRPC does not know. grpc-go checks health in programs that import its
// package health, here every channel with such a config does.
package serviceconfig
