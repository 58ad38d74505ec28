package grpccompat

import (
	"context"
	"errors"
	"net/url"

	"google.golang.org/grpc/balancer"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/cqrpc/cqrpc/client/resolver"
)

// NewResolver makes a resolver for client.WithResolver of one that was written for grpc-go,
// such as those of etcd, Consul and Kubernetes: what grpc.WithResolvers takes. It need not be
// registered. Its channels call Build when they leave IDLE, each for itself, and Close when
// they are idle or closed; an error of Build is tried again after the back-off.
//
// The target of the channel is parsed as by grpc.NewClient; if its scheme is not the
// builder's, all of it is the endpoint. Of a state only addresses are taken, those of
// endpoints one by one, with "unix:" in them as grpc-go understands it: no service configs,
// attributes or server names. OverrideAuthority is not called, see client.WithAuthority, and
// credentials and dialer of the channel are not told. UpdateState returns
// balancer.ErrBadResolverState for a state without addresses, as grpc-go's does.
func NewResolver(b grpcresolver.Builder) resolver.Resolver { return built{b} }

// built is a resolver that a builder builds for each watch.
type built struct{ builder grpcresolver.Builder }

func (b built) Watch(ctx context.Context, w *resolver.Watch) error {
	r, err := b.builder.Build(b.parse(w.Target()), told{watch: w}, grpcresolver.BuildOptions{
		DisableServiceConfig: true, Authority: resolver.Name(w.Target()),
	})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		select {
		case <-w.ResolveNow():
			r.ResolveNow(grpcresolver.ResolveNowOptions{})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// parse makes a target of the text.
func (b built) parse(text string) grpcresolver.Target {
	scheme := b.builder.Scheme()
	u, err := url.Parse(text)
	if err == nil && u.Scheme == scheme {
		return grpcresolver.Target{URL: *u}
	}
	if u, err = url.Parse(scheme + ":///" + text); err == nil {
		return grpcresolver.Target{URL: *u}
	}
	return grpcresolver.Target{URL: url.URL{Scheme: scheme, Path: "/" + text}}
}

// told is what a resolver of grpc-go tells. The interface that is embedded is there because
// it may have more methods one day.
type told struct {
	grpcresolver.ClientConn

	watch *resolver.Watch
}

func (c told) UpdateState(s grpcresolver.State) error {
	addresses := s.Addresses
	if s.Endpoints != nil {
		addresses = nil
		for _, e := range s.Endpoints {
			addresses = append(addresses, e.Addresses...)
		}
	}
	c.NewAddress(addresses)
	if len(addresses) == 0 {
		return balancer.ErrBadResolverState
	}
	return nil
}

func (c told) NewAddress(addresses []grpcresolver.Address) {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.Addr
	}
	c.watch.Report(resolver.Addresses(texts...), nil)
}

func (c told) ReportError(err error) { c.watch.Report(nil, err) }

var errNoServiceConfig = errors.New("grpccompat: channels have no service configs")

func (c told) ParseServiceConfig(string) *serviceconfig.ParseResult {
	return &serviceconfig.ParseResult{Err: errNoServiceConfig}
}
