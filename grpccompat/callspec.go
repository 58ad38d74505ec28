package grpccompat

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
)

// callSpec is what a call is made with, read off its context and options.
type callSpec struct {
	options []client.CallOption
	outputs *outputs // nil: there are none
	err     error    // the call is not to be made

	creds   credentials.PerRPCCredentials
	codec   marshaler // nil: the channel's
	subtype string    // "": the codec's name
}

func (cc *ClientConn) specOf(ctx context.Context, method string, opts []grpc.CallOption) callSpec {
	var t callSpec
	for _, o := range opts {
		t.take(cc, o)
	}
	t.chooseCodec()
	var md cqrpc.Metadata
	if t.creds != nil && t.err == nil {
		md, t.err = cc.authenticate(ctx, method, t.creds)
	}
	if out, ok := metadata.FromOutgoingContext(ctx); ok {
		md = append(md, fromMD(out)...)
	}
	if len(md) > 0 {
		t.add(client.WithMetadata(md))
	}
	return t
}

func (t *callSpec) add(o client.CallOption) { t.options = append(t.options, o) }

// refuse is for options that cannot be honoured. The first reason counts.
func (t *callSpec) refuse(code codes.Code, format string, args ...any) {
	if t.err == nil {
		t.err = status.Errorf(code, "grpccompat: "+format, args...)
	}
}

// take reads one option. Those of a type that it does not know carry data for
// interceptors, with an embedded EmptyCallOption.
func (t *callSpec) take(cc *ClientConn, o grpc.CallOption) {
	switch o := o.(type) {
	case grpc.StaticMethodCallOption, grpc.MaxRetryRPCBufferSizeCallOption: // say nothing that matters here
	case grpc.HeaderCallOption:
		t.output().header = append(t.output().header, o.HeaderAddr)
	case grpc.TrailerCallOption:
		t.output().trailer = append(t.output().trailer, o.TrailerAddr)
	case grpc.PeerCallOption:
		t.output().peer = append(t.output().peer, o.PeerAddr)
	case grpc.OnFinishCallOption:
		t.output().onFinish = append(t.output().onFinish, o.OnFinish)
	case grpc.FailFastCallOption:
		t.add(client.WithWaitForReady(!o.FailFast))
	case grpc.MaxRecvMsgSizeCallOption:
		t.limit(client.WithMaxRecvMessage, o.MaxRecvMsgSize)
	case grpc.MaxSendMsgSizeCallOption:
		t.limit(client.WithMaxSendMessage, o.MaxSendMsgSize)
	case grpc.CompressorCallOption:
		t.add(client.WithCompressor(o.CompressorType))
	case grpc.PerRPCCredsCallOption:
		t.creds = o.Creds
	case grpc.AuthorityOverrideCallOption:
		t.authority(cc, o.Authority)
	case grpc.ContentSubtypeCallOption:
		t.subtype = o.ContentSubtype
	case grpc.ForceCodecCallOption:
		t.force(o.Codec, o.Codec.Name())
	case grpc.ForceCodecV2CallOption:
		t.force(sliced{o.CodecV2}, o.CodecV2.Name())
	case grpc.CustomCodecCallOption:
		t.force(o.Codec, "")
	}
}

// limit sets the size of messages. Zero and less mean something else to the channel, and
// to grpc-go no message at all.
func (t *callSpec) limit(option func(int) client.CallOption, n int) {
	if n <= 0 {
		t.refuse(codes.Internal, "a limit of %d bytes for messages", n)
		return
	}
	t.add(option(n))
}

// authority overrides the channel's. With TLS the server has to prove that it is the
// one of that name, which is not checked for single calls.
func (t *callSpec) authority(cc *ClientConn, name string) {
	if own := cc.channel.Authority(); cc.channel.IsSecure() && name != own {
		t.refuse(codes.Unavailable, "CallAuthority(%q): the server's certificate was checked for %q", name, own)
		return
	}
	t.add(client.WithCallAuthority(name))
}

// force notes a codec, and the name that it goes by.
func (t *callSpec) force(k marshaler, name string) { t.codec = foreign{k, strings.ToLower(name)} }

// chooseCodec settles what messages are marshalled with.
func (t *callSpec) chooseCodec() {
	switch k, isForced := t.codec.(foreign); {
	case isForced:
		if t.subtype != "" {
			k.name = t.subtype
		}
		t.add(client.WithCallCodec(k))
	case t.subtype == "":
	case t.subtype == codec.Proto().Name():
		t.add(client.WithCallCodec(codec.Proto()))
	default:
		k, ok := registered(t.subtype)
		if !ok {
			t.refuse(codes.Internal, "no codec registered for content-subtype %s", t.subtype)
			return
		}
		t.add(client.WithCallCodec(foreign{k, t.subtype}))
	}
}

// output returns the outputs, to be added to.
func (t *callSpec) output() *outputs {
	if t.outputs == nil {
		t.outputs = new(outputs)
	}
	return t.outputs
}
