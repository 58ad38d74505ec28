package frame

const upperHex = "0123456789ABCDEF"

// AppendPercent appends s, the text of grpc-message, percent-encoded octet by
// octet: everything outside 0x20 to 0x7E, and "%", becomes "%" and two
// upper-case digits (gRPC over HTTP/2, Percent-Encoded). Octets that are not
// UTF-8 are encoded like others. Spaces at the ends are encoded too, which the
// grammar leaves open and RFC 9113 section 8.2.1 asks for.
func AppendPercent(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if isPercentSafe(c) && !(c == ' ' && (i == 0 || i == len(s)-1)) {
			dst = append(dst, c)
			continue
		}
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
	}
	return dst
}

func isPercentSafe(c byte) bool { return isPrintable(c) && c != '%' }

func isPrintable(c byte) bool { return 0x20 <= c && c <= 0x7e }

// EncodePercent returns s percent-encoded, which is s itself if nothing is to
// be encoded; see [AppendPercent].
func EncodePercent(s string) string {
	plain := s == "" || s[0] != ' ' && s[len(s)-1] != ' '
	for i := 0; plain && i < len(s); i++ {
		plain = isPercentSafe(s[i])
	}
	if plain {
		return s
	}
	return string(AppendPercent(make([]byte, 0, len(s)+16), s))
}

// DecodePercent undoes [AppendPercent]. It never fails: a "%" without two hex
// digits after it stands for itself, since a damaged message is better than
// none (gRPC over HTTP/2, Status-Message).
func DecodePercent(s string) string {
	for i := 0; i < len(s); i++ {
		if _, ok := percentOctet(s, i); ok {
			return decodePercentFrom(s, i)
		}
	}
	return s
}

// decodePercentFrom decodes s, of which nothing before start is encoded.
func decodePercentFrom(s string, start int) string {
	out := append(make([]byte, 0, len(s)), s[:start]...)
	for i := start; i < len(s); i++ {
		if c, ok := percentOctet(s, i); ok {
			out = append(out, c)
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// percentOctet returns the octet encoded at s[i:i+3], if there is one.
func percentOctet(s string, i int) (c byte, ok bool) {
	if s[i] != '%' || len(s)-i < 3 {
		return 0, false
	}
	hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
	return hi<<4 | lo, hi < 16 && lo < 16
}

// hexValue returns the value of a hex digit of either case, or 255.
func hexValue(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
