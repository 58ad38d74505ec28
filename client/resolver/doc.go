// Package resolver is how a channel learns the addresses of its target from something
// other than DNS: etcd, Consul, Kubernetes, a file. A [Resolver] is given to the channel with
// client.WithResolver; there is no registry.
//
//	Channel --leaves IDLE--> Resolver.Watch(ctx, watch)
//	   ^                          |
//	   +---- watch.Report --------+   the complete list, whenever it changes
//
// A resolver that can be told of changes stays in Watch and reports them; one that can only
// be asked reports once and returns, and [Func] makes one of a function. [Manual] is told by
// the application. They have the meaning of gRPC's (naming.md) and of grpc-go's package of
// this name:
//
//	grpc-go                                     here
//	resolver.Builder.Build, Resolver.Close      Resolver.Watch, the end of its context
//	ClientConn.UpdateState, ReportError         Watch.Report
//	Resolver.ResolveNow                         Watch.ResolveNow
//	Target.Endpoint                             Name
//	manual.Resolver                             Manual
//
// Builders for grpc-go are resolvers by grpccompat.NewResolver.
//
// # What a channel makes of a report
//
// A list replaces the one before it. Connections to addresses that are in both stay as they
// are, those to the others take no more calls and end with their last one, and with
// round_robin new addresses are connected to. An address counts once, where it comes first. A
// list that is like the one before changes nothing. An empty list means that there is no server
// now: calls fail with UNAVAILABLE, or wait if they are told to.
//
// An error leaves the list as it is. If there was none yet, calls fail with UNAVAILABLE and
// the error's text, or wait. Before the first report all calls wait.
//
// # Concurrency
//
// A resolver may be given to several channels, and each calls Watch on a goroutine of its
// own, one at a time. The methods of a [Watch] may be called by any number of goroutines.
// Report runs what follows from it on the goroutine that calls it, which may be inline
// reactors of calls that have waited: hold no lock that those may want.
package resolver
