package cqrpc

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Pair is one metadata entry. Key is lower-case. The Value of a key ending in
// "-bin" is raw bytes kept in a string, never base64: that exists on the wire
// only.
type Pair struct{ Key, Value string }

// Metadata is the custom fields sent before the first message or after the
// last one: an ordered list in which a key may occur more than once (gRPC over
// HTTP/2, Custom-Metadata). The nil Metadata is empty and ready to use.
//
// It is a slice: assignment shares the entries, [Metadata.Clone] does not.
// Reading is safe for concurrent use; Add, Set and Del are not. Its String,
// like a log record, holds no values, since values may be secrets.
type Metadata []Pair

// binSuffix marks keys with binary values (gRPC over HTTP/2, Binary-Header).
const binSuffix = "-bin"

// Pairs returns metadata of alternating keys and values, the keys lower-cased.
// An odd number of strings is a mistake in the calling code, and panics.
func Pairs(kv ...string) Metadata {
	if len(kv)%2 != 0 {
		panic(fmt.Sprintf("cqrpc.Pairs: odd number of arguments (%d)", len(kv)))
	}
	m := make(Metadata, 0, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		m.Add(kv[i], kv[i+1])
	}
	return m
}

// Get returns the first value of key, in any case of letters, or "" if there is
// none; Values tells an absent key from an empty value.
func (m Metadata) Get(key string) string {
	key = strings.ToLower(key)
	for i := range m {
		if m[i].Key == key {
			return m[i].Value
		}
	}
	return ""
}

// Values returns a new slice of all values of key in order, nil if there is
// none.
func (m Metadata) Values(key string) []string {
	key = strings.ToLower(key)
	var values []string
	for i := range m {
		if m[i].Key == key {
			values = append(values, m[i].Value)
		}
	}
	return values
}

// Add appends an entry, its key lower-cased.
func (m *Metadata) Add(key, value string) {
	*m = append(*m, Pair{strings.ToLower(key), value})
}

// Set makes value the only one of key, in the place of the first if there was
// one.
func (m *Metadata) Set(key, value string) {
	key = strings.ToLower(key)
	i := slices.IndexFunc(*m, func(p Pair) bool { return p.Key == key })
	if i < 0 {
		*m = append(*m, Pair{key, value})
		return
	}
	(*m)[i].Value = value
	rest := (*m)[i+1:]
	rest.Del(key)
	*m = (*m)[:i+1+len(rest)]
}

// Del removes all entries of key.
func (m *Metadata) Del(key string) {
	key = strings.ToLower(key)
	*m = slices.DeleteFunc(*m, func(p Pair) bool { return p.Key == key })
}

// Clone returns a copy that shares nothing with m.
func (m Metadata) Clone() Metadata { return slices.Clone(m) }

// Validate returns nil if all of m may be sent, or an error naming the first
// entry that may not: keys are one or more of [0-9a-z_.-], and values are
// 0x20 to 0x7E except for -bin keys, which may have any (gRPC over HTTP/2,
// Custom-Metadata). Spaces at the ends of a value are legal but may be lost in
// transit. The error shows no values, only the byte at fault.
func (m Metadata) Validate() error {
	for i := range m {
		if err := m[i].validate(); err != nil {
			return fmt.Errorf("metadata entry %d: %w", i, err)
		}
	}
	return nil
}

var errEmptyKey = errors.New("empty key")

func (p *Pair) validate() error {
	if p.Key == "" {
		return errEmptyKey
	}
	for i := range len(p.Key) {
		if !isKeyByte(p.Key[i]) {
			return fmt.Errorf("key %s has illegal byte 0x%02x at offset %d", quoteShort(p.Key), p.Key[i], i)
		}
	}
	if strings.HasSuffix(p.Key, binSuffix) {
		return nil
	}
	for i := range len(p.Value) {
		if c := p.Value[i]; c < 0x20 || c > 0x7e {
			return fmt.Errorf("value of key %s has illegal byte 0x%02x at offset %d", quoteShort(p.Key), c, i)
		}
	}
	return nil
}

// isKeyByte excludes ':', so that no entry can pose as a pseudo-header field.
func isKeyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// maxQuoted bounds how much of a peer's or caller's text an error repeats.
const maxQuoted = 64

func quoteShort(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

// String lists the keys and the sizes of their values in bytes:
// "[authorization:172 trace-bin:16]".
func (m Metadata) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i := range m {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(m[i].String())
	}
	b.WriteByte(']')
	return b.String()
}

// GoString is String, so that %#v shows no values either.
func (m Metadata) GoString() string { return "cqrpc.Metadata" + m.String() }

// LogValue is String, so that no slog handler writes values.
func (m Metadata) LogValue() slog.Value { return slog.StringValue(m.String()) }

// String returns the key and the size of the value in bytes, "trace-bin:16".
func (p Pair) String() string { return p.Key + ":" + strconv.Itoa(len(p.Value)) }

// GoString is String, so that %#v does not show the value either.
func (p Pair) GoString() string { return "cqrpc.Pair{" + p.String() + "}" }
