package connect

import (
	"encoding/base64"
	"strings"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

const binSuffix = "-bin"

// headersOf tells the suite about metadata: the values of a key together, those
// of binary keys in base64.
func headersOf(md cqrpc.Metadata) []*connectpb.Header {
	var all []*connectpb.Header
	byKey := make(map[string]*connectpb.Header)
	for _, p := range md {
		h := byKey[p.Key]
		if h == nil {
			h = &connectpb.Header{Name: p.Key}
			byKey[p.Key], all = h, append(all, h)
		}
		value := p.Value
		if strings.HasSuffix(p.Key, binSuffix) {
			value = base64.RawStdEncoding.EncodeToString([]byte(value))
		}
		h.Value = append(h.Value, value)
	}
	return all
}

// metadataOf is the metadata that the suite wants sent.
func metadataOf(headers []*connectpb.Header) cqrpc.Metadata {
	var md cqrpc.Metadata
	for _, h := range headers {
		for _, value := range h.GetValue() {
			if strings.HasSuffix(strings.ToLower(h.GetName()), binSuffix) {
				value = unbase64(value)
			}
			md.Add(h.GetName(), value)
		}
	}
	return md
}

// unbase64 decodes base64, padded or not. What is neither is raw already.
func unbase64(text string) string {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return text
	}
	return string(raw)
}
