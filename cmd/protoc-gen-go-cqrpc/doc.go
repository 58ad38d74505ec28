// Protoc-gen-go-cqrpc is a plugin of protoc and buf. For x.proto with services
// it writes x_cqrpc.pb.go, into the Go package of the messages that
// protoc-gen-go generates; for a file without services it writes nothing.
//
//	protoc --go_out=. --go_opt=paths=source_relative \
//	       --go-cqrpc_out=. --go-cqrpc_opt=paths=source_relative,styles=sync x.proto
//
// In buf.gen.yaml:
//
//	plugins:
//	  - local: protoc-gen-go
//	    out: .
//	    opt: paths=source_relative
//	  - local: protoc-gen-go-cqrpc
//	    out: .
//	    opt: [paths=source_relative, styles=sync+queue]
//
// The options are, besides paths, module and M of every Go plugin:
//
//	styles=sync+queue+reactor+future  what to generate; all four by default
//	sides=client+server               whose side; both by default
//
// A style or a side that is left out is not imported either. The variables that
// describe the methods, such as RouteGuide_GetFeature, are always there: with
// them, and the generic functions of the libraries, one can do without the rest.
//
// # Names
//
// A service RouteGuide becomes RouteGuideSyncClient, RouteGuideSyncServer,
// RouteGuideAsyncClient, RouteGuideAsyncService, RouteGuideReactorClient,
// RouteGuideReactorServer, RouteGuideFutureClient, RouteGuideFutureServer and what
// makes and registers them. None of these is a name that protoc-gen-go or
// protoc-gen-go-grpc gives, so both can generate into the same package. Where a
// name is taken all the same, by a message, by protoc-gen-go-grpc or by another
// service of the file, ours gets a "_" at its end. That depends neither on the
// options nor on other files. Two services, or two methods of a service, that
// have the same name in Go are an error.
//
// # Where to find what
//
//	main, options                  the plugin and its parameters
//	file, comment                  a generated file; the comments in it
//	sync, queue, reactor, future   the text that each style generates, with $Words in it
//	service, method, imports       what a word stands for: names of the service or method at hand, our packages
//	names                          which names are taken
//
// To mention a package by its word imports it.
package main
