package otelcqrpc

import (
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/cqrpc/cqrpc"
)

// carrier lets propagators read and write metadata. Keys are of any case, as in HTTP;
// values of binary ones, which are no text, are not theirs.
type carrier struct{ md *cqrpc.Metadata }

var (
	_ propagation.TextMapCarrier = carrier{}
	_ propagation.ValuesGetter   = carrier{}
)

func (c carrier) Get(key string) string      { return c.md.Get(strings.ToLower(key)) }
func (c carrier) Values(key string) []string { return c.md.Values(strings.ToLower(key)) }
func (c carrier) Set(key, value string)      { c.md.Set(key, value) }

func (c carrier) Keys() []string {
	var keys []string
	for _, p := range *c.md {
		if !strings.HasSuffix(p.Key, "-bin") {
			keys = append(keys, p.Key)
		}
	}
	return keys
}
