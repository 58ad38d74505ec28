// Package resolver is how a channel learns the addresses of its target from something
// other than DNS: etcd, Consul, Kubernetes, a file. A [Resolver] is given to the channel with
// client.WithResolver; there is no registry.
//
//	Channel --leaves IDLE--> Resolver.Watch(ctx, watch)
//	   ^                          |
//	   +---- watch.Report --------+   the complete list, whenever it changes
//
// A resolver that is told of changes stays in Watch and reports them. One that can only be
// asked reports once and returns; [Func] makes such a resolver of a function. [Manual] reports
// what the application tells it. Resolvers mean what they mean in gRPC (naming.md) and in
// grpc-go's package of this name:
//
//	grpc-go                                     here
//	resolver.Builder.Build, Resolver.Close      Resolver.Watch, the end of its context
//	ClientConn.UpdateState, ReportError         Watch.Report
//	Resolver.ResolveNow                         Watch.ResolveNow
//	Target.Endpoint                             Name
//	manual.Resolver                             Manual
//
// grpccompat.NewResolver makes resolvers of grpc-go's builders.
//
// # What a channel makes of a report
//
// A list replaces the one before it. Connections to addresses that are in both stay as they
// are. Connections to other addresses take no more calls and end with their last one. With
// round_robin the channel connects to all new addresses. An address counts once, where it comes
// first. A list that equals the one before changes nothing. An empty list means that there is no
// server now: calls fail with UNAVAILABLE, or wait if they are told to.
//
// An error leaves the list as it is. If there was none yet, calls fail with UNAVAILABLE and
// the error's text, or wait. Before the first report all calls wait.
//
// # Concurrency
//
// A resolver may be given to several channels, and each calls Watch on a goroutine of its
// own, one at a time. The methods of a [Watch] may be called by any number of goroutines.
// Report acts on the goroutine that calls it, and may run inline reactors of calls that have
// waited there: hold no lock that these may want.
package resolver
