package cqrpc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Status is how a call ended, as data: it travels on the wire and may say OK,
// which the zero value does. To return a failure from Go code turn it into an
// error by [Status.Err], or write [Errorf] in the first place.
//
// A Status is copied by assignment; the copies share Details, which are
// read-only once the status is handed to someone else.
type Status struct {
	Code Code
	// Message explains the code to a developer. Any string may be assigned;
	// the wire carries it percent-encoded.
	Message string
	// Details are structured facts about a failure, usually messages of
	// google/rpc/error_details.proto. Empty for most statuses.
	Details []*anypb.Any
}

// Err returns nil for CodeOK, and otherwise an [*Error] of OriginRemote: a bare
// Status is what a peer says. A decision made in this process is written by
// [Errorf], or by an Error literal when it has details. A handler may return any of
// them: what travels is the status.
func (s Status) Err() error {
	if s.Code == CodeOK {
		return nil
	}
	return &Error{Status: s, Origin: OriginRemote}
}

// String returns the code, the message if there is one, and the number of
// details if there are any: "NOT_FOUND: no such user (1 detail)".
func (s Status) String() string {
	text := s.Code.String()
	if s.Message != "" {
		text += ": " + s.Message
	}
	switch n := len(s.Details); n {
	case 0:
		return text
	case 1:
		return text + " (1 detail)"
	default:
		return fmt.Sprintf("%s (%d details)", text, n)
	}
}

// errDetailsOfOK: a peer may not even look for details beside grpc-status 0.
var errDetailsOfOK = errors.New("status with code OK cannot carry details")

// WithDetails returns a copy of s with msgs packed and appended to its details;
// s itself is unchanged. It fails, returning s, if s is OK or if a message
// cannot be marshaled.
func (s Status) WithDetails(msgs ...proto.Message) (Status, error) {
	if s.Code == CodeOK {
		return s, errDetailsOfOK
	}
	details := slices.Grow(slices.Clone(s.Details), len(msgs))
	for i, m := range msgs {
		packed, err := anypb.New(m)
		if err != nil {
			return s, fmt.Errorf("status detail %d: %w", i, err)
		}
		details = append(details, packed)
	}
	s.Details = details
	return s, nil
}

// The fields of google.rpc.Status (google/rpc/status.proto). They are spelled
// out here because linking the generated type would register it, and so clash
// with the copy an application brings along.
const (
	fieldCode    protowire.Number = 1 // int32
	fieldMessage protowire.Number = 2 // string
	fieldDetails protowire.Number = 3 // repeated google.protobuf.Any
)

// AppendDetails appends s as a serialized google.rpc.Status, the content of the
// grpc-status-details-bin trailer before its base64, and returns the extended
// slice. Bytes of Message that are not UTF-8 become U+FFFD, as protobuf forbids
// them. On error, which only a malformed detail causes, dst is returned as it
// was.
func (s Status) AppendDetails(dst []byte) ([]byte, error) {
	out := dst
	if s.Code != CodeOK {
		out = protowire.AppendTag(out, fieldCode, protowire.VarintType)
		out = protowire.AppendVarint(out, uint64(s.Code))
	}
	if s.Message != "" {
		out = protowire.AppendTag(out, fieldMessage, protowire.BytesType)
		out = protowire.AppendString(out, strings.ToValidUTF8(s.Message, "\uFFFD"))
	}
	for i, d := range s.Details {
		if d == nil {
			return dst, fmt.Errorf("status detail %d is nil", i)
		}
		out = protowire.AppendTag(out, fieldDetails, protowire.BytesType)
		out = protowire.AppendVarint(out, uint64(proto.Size(d)))
		var err error
		if out, err = (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(out, d); err != nil {
			return dst, fmt.Errorf("status detail %d: %w", i, err)
		}
	}
	return out, nil
}

// ParseDetails reads what AppendDetails of any implementation wrote. Numbers
// that are no status code give CodeUnknown; fields google.rpc.Status does not
// have are skipped. The result does not alias b.
func ParseDetails(b []byte) (Status, error) {
	var s Status
	for len(b) > 0 {
		n, err := s.parseField(b)
		if err != nil {
			return Status{}, fmt.Errorf("google.rpc.Status: %w", err)
		}
		b = b[n:]
	}
	return s, nil
}

// parseField takes the field at the front of b into s and returns its length.
// As everywhere in protobuf, a known field of another wire type is an unknown
// one, and the last occurrence of a singular field wins.
func (s *Status) parseField(b []byte) (int, error) {
	num, typ, tagLen := protowire.ConsumeTag(b)
	if tagLen < 0 {
		return 0, protowire.ParseError(tagLen)
	}
	if num > protowire.MaxValidNumber { // ConsumeTag lets MessageSet's through
		return 0, fmt.Errorf("field number %d", num)
	}
	n := protowire.ConsumeFieldValue(num, typ, b[tagLen:])
	if n < 0 {
		return 0, protowire.ParseError(n)
	}
	value := b[tagLen : tagLen+n]
	switch {
	case num == fieldCode && typ == protowire.VarintType:
		v, _ := protowire.ConsumeVarint(value)
		s.Code = knownCode(v)
	case num == fieldMessage && typ == protowire.BytesType:
		v, _ := protowire.ConsumeBytes(value)
		if !utf8.Valid(v) {
			return 0, errors.New("message is not UTF-8")
		}
		s.Message = string(v)
	case num == fieldDetails && typ == protowire.BytesType:
		v, _ := protowire.ConsumeBytes(value)
		d := new(anypb.Any)
		if err := proto.Unmarshal(v, d); err != nil {
			return 0, fmt.Errorf("detail %d: %w", len(s.Details), err)
		}
		s.Details = append(s.Details, d)
	}
	return tagLen + n, nil
}

// knownCode narrows v as protobuf does an int32 field: to its low 32 bits.
func knownCode(v uint64) Code {
	if c := Code(v); c < Code(len(codeNames)) {
		return c
	}
	return CodeUnknown
}
