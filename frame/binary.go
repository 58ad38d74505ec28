package frame

import (
	"encoding/base64"
	"fmt"
	"iter"
	"strings"
)

// AppendBinary appends the wire form of a "-bin" value, given as raw octets:
// base64 with the standard alphabet and no padding (gRPC over HTTP/2,
// Binary-Header).
func AppendBinary(dst []byte, value string) []byte {
	return base64.RawStdEncoding.AppendEncode(dst, []byte(value))
}

// DecodeBinary returns the raw octets of one "-bin" value, padded or not.
// Split what may be several joined values with [SplitBinary] first. The error
// tells where decoding stopped, not the value, which may be a secret.
func DecodeBinary(s string) (string, error) {
	encoding := base64.RawStdEncoding
	if len(s)%4 == 0 {
		encoding = base64.StdEncoding // padded, or in no need of padding
	}
	out, err := encoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("binary header of %d octets: %w", len(s), err)
	}
	return string(out), nil
}

// SplitBinary yields the values of a "-bin" field that a peer or proxy has
// joined with commas, without white space around them, in order; one that
// holds nothing yields one empty value.
func SplitBinary(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(s, ",") {
			if !yield(strings.Trim(part, " \t")) {
				return
			}
		}
	}
}
