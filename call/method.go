package call

import (
	"fmt"
	"strings"
)

// Shape says which sides of a method send a sequence of messages.
type Shape uint8

// The four shapes of a gRPC method.
const (
	Unary        Shape = iota // one request, one response
	ClientStream              // many requests, one response
	ServerStream              // one request, many responses
	BidiStream                // many of both, independently
)

var shapeNames = [...]string{"unary", "client stream", "server stream", "bidi stream"}

// String returns "unary", "client stream", "server stream" or "bidi stream".
func (s Shape) String() string {
	if int(s) < len(shapeNames) {
		return shapeNames[s]
	}
	return fmt.Sprintf("Shape(%d)", uint8(s))
}

// ManyRequests reports whether the client sends a sequence.
func (s Shape) ManyRequests() bool { return s == ClientStream || s == BidiStream }

// ManyResponses reports whether the server sends a sequence.
func (s Shape) ManyResponses() bool { return s == ServerStream || s == BidiStream }

// Method describes one method of a service. Generated code declares one
// variable per method; the styles are generic over it.
type Method[Req, Res any] struct {
	// Name is the full name with its leading slash, "/pkg.Service/Method", as it
	// stands in :path.
	Name string
	// Shape must be that of the service's definition; the zero value is Unary.
	Shape Shape
}

// Service returns "pkg.Service".
func (m Method[Req, Res]) Service() string { service, _, _ := SplitMethod(m.Name); return service }

// Base returns "Method".
func (m Method[Req, Res]) Base() string { _, base, _ := SplitMethod(m.Name); return base }

// String returns the name and the shape, "/pkg.Service/Method (unary)".
func (m Method[Req, Res]) String() string { return m.Name + " (" + m.Shape.String() + ")" }

// SplitMethod cuts "/pkg.Service/Method" into "pkg.Service" and "Method". It
// reports false if the leading slash, the service or the method is missing.
func SplitMethod(full string) (service, method string, ok bool) {
	rest, ok := strings.CutPrefix(full, "/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i <= 0 || i == len(rest)-1 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}
