package parity

import (
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Message is what requests and responses of Service are on the wire.
type Message = wrapperspb.BytesValue

// ServiceName is the service's full name.
const ServiceName = "cqrpc.parity.Parity"

type method = call.Method[Message, Message]

// The methods of Service. Read only.
var (
	pingMethod         = method{Name: "/" + ServiceName + "/Ping", Shape: call.Unary}
	unaryMethod        = method{Name: "/" + ServiceName + "/Unary", Shape: call.Unary}
	serverStreamMethod = method{Name: "/" + ServiceName + "/ServerStream", Shape: call.ServerStream}
	clientStreamMethod = method{Name: "/" + ServiceName + "/ClientStream", Shape: call.ClientStream}
	bidiStreamMethod   = method{Name: "/" + ServiceName + "/BidiStream", Shape: call.BidiStream}
)

// Route is a method and what serves it, fit for servers of every style.
type Route interface {
	onBatch(d *desk) error
	onSync() server.Handler
	onQueue(d *queueDesk) error
	onReactor(work *sync.WaitGroup) server.Handler
	onFuture(k *futureDesk) server.Handler
}

// route is the Route of one shape: of the functions only that is set.
type route[Req, Res any] struct {
	method       call.Method[Req, Res]
	unary        func(Call, *Req) (*Res, error)
	serverStream func(Call, *Req, Sender[Res]) error
	clientStream func(Call, Receiver[Req]) (*Res, error)
	bidiStream   func(Call, Receiver[Req], Sender[Res]) error
}

// Unary serves m with f.
func Unary[Req, Res any](m call.Method[Req, Res], f func(Call, *Req) (*Res, error)) Route {
	return &route[Req, Res]{method: m, unary: f}
}

// ServerStream serves m with f.
func ServerStream[Req, Res any](m call.Method[Req, Res], f func(Call, *Req, Sender[Res]) error) Route {
	return &route[Req, Res]{method: m, serverStream: f}
}

// ClientStream serves m with f.
func ClientStream[Req, Res any](m call.Method[Req, Res], f func(Call, Receiver[Req]) (*Res, error)) Route {
	return &route[Req, Res]{method: m, clientStream: f}
}

// BidiStream serves m with f.
func BidiStream[Req, Res any](m call.Method[Req, Res], f func(Call, Receiver[Req], Sender[Res]) error) Route {
	return &route[Req, Res]{method: m, bidiStream: f}
}

// routes is the service for servers of this library.
func (s *Service) routes() []Route {
	return append(s.Shapes("/"+ServiceName+"/"), Unary(pingMethod, one(s.Ping)))
}

// Shapes are the methods of s for servers of this library, but for Ping, as prefix+"Unary" and so on: a
// server may have several services of this kind.
func (s *Service) Shapes(prefix string) []Route {
	m := func(name string, shape call.Shape) method { return method{Name: prefix + name, Shape: shape} }
	return []Route{
		Unary(m("Unary", call.Unary), one(s.Unary)),
		ServerStream(m("ServerStream", call.ServerStream), func(c Call, req *Message, out Sender[Message]) error {
			return s.ServerStream(c, req.GetValue(), bytesOut{out})
		}),
		ClientStream(m("ClientStream", call.ClientStream), func(c Call, in Receiver[Message]) (*Message, error) {
			res, err := s.ClientStream(c, bytesIn{in})
			return &Message{Value: res}, err
		}),
		BidiStream(m("BidiStream", call.BidiStream), func(c Call, in Receiver[Message], out Sender[Message]) error {
			return s.BidiStream(c, bytesIn{in}, bytesOut{out})
		}),
	}
}

// one wraps the messages of a call with one each way.
func one(f func(Call, []byte) ([]byte, error)) func(Call, *Message) (*Message, error) {
	return func(c Call, req *Message) (*Message, error) {
		res, err := f(c, req.GetValue())
		return &Message{Value: res}, err
	}
}

// bytesIn unwraps the messages of a stream.
type bytesIn struct{ In Receiver[Message] }

// bytesOut wraps the messages of a stream.
type bytesOut struct{ Out Sender[Message] }

// Recv implements In.
func (b bytesIn) Recv() ([]byte, error) {
	req, err := b.In.Recv()
	return req.GetValue(), err
}

// Send implements Out.
func (b bytesOut) Send(res []byte) error { return b.Out.Send(&Message{Value: res}) }
