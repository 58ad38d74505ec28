package grpccompat

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/cqrpc/cqrpc"
)

// toMD returns m by keys, nil if it is empty.
func toMD(m cqrpc.Metadata) metadata.MD {
	if len(m) == 0 {
		return nil
	}
	return addTo(make(metadata.MD, len(m)), m)
}

// addTo adds m, and more behind it, to md and returns it.
func addTo(md metadata.MD, m cqrpc.Metadata, more ...cqrpc.Pair) metadata.MD {
	values := make([]string, 0, len(m)+len(more)) // of keys that occur once, which most do
	for _, list := range [...]cqrpc.Metadata{m, more} {
		for _, p := range list {
			if have, ok := md[p.Key]; ok {
				md[p.Key] = append(have, p.Value)
				continue
			}
			n := len(values)
			values = append(values, p.Value)
			md[p.Key] = values[n : n+1 : n+1]
		}
	}
	return md
}

// fromMD returns md in the order of its keys: maps have none, and what goes out in the
// same order each time is compressed best. As in grpc-go pseudo-header fields are left
// out, which are in the metadata of requests, and so in that which a proxy passes on.
func fromMD(md metadata.MD) cqrpc.Metadata {
	if len(md) == 0 {
		return nil
	}
	m := make(cqrpc.Metadata, 0, len(md))
	for _, key := range slices.Sorted(maps.Keys(md)) {
		if strings.HasPrefix(key, ":") {
			continue
		}
		for _, v := range md[key] {
			m = append(m, cqrpc.Pair{Key: key, Value: v})
		}
	}
	return m
}
