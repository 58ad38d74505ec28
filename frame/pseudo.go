package frame

// pseudo is a set of pseudo-header fields.
type pseudo uint8

const (
	pseudoMethod pseudo = 1 << iota
	pseudoScheme
	pseudoPath
	pseudoAuthority
	pseudoStatus
)

// pseudoOf returns the pseudo-header field of that name, or 0 if there is
// none (RFC 9113 section 8.3).
func pseudoOf(name string) pseudo {
	switch name {
	case ":method":
		return pseudoMethod
	case ":scheme":
		return pseudoScheme
	case ":path":
		return pseudoPath
	case ":authority":
		return pseudoAuthority
	case ":status":
		return pseudoStatus
	}
	return 0
}
