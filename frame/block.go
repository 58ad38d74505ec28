package frame

import (
	"errors"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	defaultHeaderTable = 4096 // RFC 9113 section 6.5.2
	fieldOverhead      = 32   // RFC 9113 section 6.5.2, RFC 7541 section 4.1
	maxKeptFields      = 128  // fields a reader keeps room for between blocks
)

// block decodes header blocks, one at a time, checking each field as it
// comes. Whatever is wrong with a field, decoding goes on to the end of the
// block: HPACK's table must stay in step for the other streams.
type block struct {
	dec   *hpack.Decoder
	limit uint64 // octets of header list

	h       Headers
	fields  []Field // backing of h.Fields, unless that is a Known's; lent by the scratch
	size    uint64  // octets of header list so far
	encoded int64   // octets of the encoded block so far
	seen    pseudo
	regular bool // a field that is no pseudo-header field has been seen

	memo *memo // nil: empty
}

func (b *block) init(cfg ReaderConfig) {
	b.limit = uint64(cfg.MaxHeaderList)
	// One emit function for the life of the connection, no closure per block.
	b.dec = hpack.NewDecoder(defaultHeaderTable, b.addField)
	b.dec.SetAllowedMaxDynamicTableSize(max(cfg.MaxHeaderTable, defaultHeaderTable))
	b.dec.SetMaxStringLength(int(cfg.MaxHeaderBlock))
}

// reset forgets the last block, and with it its strings.
func (b *block) reset(s *source) {
	if b.h.StreamID == 0 {
		return
	}
	clear(b.fields)
	if cap(b.fields) <= maxKeptFields {
		s.fields = b.fields[:0]
	}
	b.fields = nil
	b.h = Headers{}
}

// begin starts the block of f, whose header s has just brought.
func (b *block) begin(f *Frame, s *source) {
	b.fields, s.fields = s.fields, nil
	b.h.StreamID, b.h.End = f.StreamID, f.End
	b.size, b.encoded, b.seen, b.regular = 0, 0, 0, false
	b.dec.SetEmitEnabled(true)
}

// fail notes what is wrong with the block, the first time.
func (b *block) fail(code ErrCode, format string, args ...any) {
	if b.h.Err == nil {
		b.h.Err = streamErrorf(b.h.StreamID, code, format, args...)
	}
}

// addField is what the decoder calls with every field.
func (b *block) addField(f Field) {
	b.size += uint64(len(f.Name)) + uint64(len(f.Value)) + fieldOverhead
	if b.size > b.limit {
		b.fail(EnhanceYourCalm, "received metadata size exceeds limit: header list larger than %d octets", b.limit)
		// What follows is decoded only as far as the table needs it.
		b.dec.SetEmitEnabled(false)
		return
	}
	b.checkField(f)
	b.fields = append(b.fields, f)
}

// checkField applies the rules for single fields (RFC 9113 section 8.2.1) and
// for the order of pseudo-header fields (section 8.3). Errors name the field
// and never quote a value, which may be a secret.
func (b *block) checkField(f Field) {
	switch {
	case len(f.Name) > 0 && f.Name[0] == ':':
		b.checkPseudo(f.Name)
	case !validFieldName(f.Name):
		b.fail(ProtocolError, "invalid header field name %s", quoted([]byte(f.Name)))
	default:
		b.regular = true
	}
	// Whitespace at the ends is against section 8.2.1 but let through: gRPC
	// peers send it, in grpc-message above all, and "may be trimmed in
	// transit" is all that gRPC says about it.
	if !httpguts.ValidHeaderFieldValue(f.Value) {
		b.fail(ProtocolError, "header field %s has an invalid value", quoted([]byte(f.Name)))
	}
}

func (b *block) checkPseudo(name string) {
	switch p := pseudoOf(name); {
	case p == 0:
		b.fail(ProtocolError, "unknown pseudo-header field %s", quoted([]byte(name)))
	case b.regular:
		b.fail(ProtocolError, "pseudo-header field %s after a regular field", name)
	case b.seen&p != 0:
		b.fail(ProtocolError, "duplicate pseudo-header field %s", name)
	default:
		b.seen |= p
	}
}

// validFieldName reports whether name is a token without upper-case letters
// (RFC 9113 section 8.2.1, RFC 9110 section 5.1).
func validFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' || !httpguts.IsTokenRune(rune(c)) {
			return false
		}
	}
	return len(name) > 0
}

// readHeaders reads HEADERS (RFC 9113 section 6.2) and the CONTINUATION
// frames of its block (section 6.10).
func (r *Reader) readHeaders(f *Frame) error {
	f.End = f.Flags.Has(http2.FlagHeadersEndStream)
	r.block.begin(f, &r.src)
	mustWait := r.onBlock != nil &&
		(!f.Flags.Has(http2.FlagHeadersEndHeaders) || r.src.buffered() < int(f.Length))
	if mustWait {
		r.onBlock(false)
	}
	if err := r.readBlock(f); err != nil {
		return err
	}
	if mustWait {
		r.onBlock(true)
	}
	f.Headers = &r.block.h
	return nil
}

// endBlock ends the decoding of a block.
func (r *Reader) endBlock() error {
	b := &r.block
	if err := b.dec.Close(); err != nil {
		return connErrorf(CompressionError, "header block of stream %d: %v", b.h.StreamID, err)
	}
	b.h.Fields = b.fields
	b.letGo()
	return nil
}

// anyField is an indexed field of the static table (RFC 7541 section 6.1).
var anyField = []byte{0x82}

// letGo makes the decoder forget the octets of the block that it has decoded: it
// would keep the read buffer alive after that was given back.
func (b *block) letGo() {
	b.dec.SetEmitEnabled(false)
	_, _ = b.dec.Write(anyField) // neither is emitted nor changes the table
	_ = b.dec.Close()
}

// readBlock decodes the payload of f and of its CONTINUATION frames.
func (r *Reader) readBlock(f *Frame) error {
	n, pad, err := r.readHeadersPrefix(f)
	if err != nil {
		return err
	}
	isWhole := f.Flags.Has(http2.FlagHeadersEndHeaders)
	isSmall := isWhole && n <= min(maxKnownBlock, r.src.size)
	if isSmall {
		err = r.readSmallBlock(n)
	} else {
		r.block.memo.forget() // the block may change the table
		err = r.readFragment(n)
	}
	if err != nil {
		return err
	}
	if err := r.src.discard(pad); err != nil || isSmall {
		return err
	}
	if isWhole {
		return r.endBlock()
	}
	return r.readContinuations()
}

// readSmallBlock reads a block of n octets, in one piece, which may be known.
func (r *Reader) readSmallBlock(n int) error {
	b := &r.block
	p, err := r.src.peek(n)
	if err != nil {
		return err
	}
	if k := b.memo.find(p); k != nil {
		b.h.Known, b.h.Fields = k, k.fields
		r.src.skip(n)
		return nil
	}
	if err := r.readFragment(n); err != nil {
		return err
	}
	if err := r.endBlock(); err != nil {
		return err
	}
	if b.h.Err != nil {
		b.memo.forget()
		return nil
	}
	b.learn(p)
	return nil
}

// readHeadersPrefix reads what may precede the block's fragment in HEADERS,
// and returns the lengths of the fragment and of the padding after it.
// Errors of padding end the connection here even where RFC 9113 would let a
// stream error do: HPACK could not be kept in step.
func (r *Reader) readHeadersPrefix(f *Frame) (n, pad int, err error) {
	n = int(f.Length)
	if f.Flags.Has(http2.FlagHeadersPadded) {
		if n, pad, err = r.readPadLength(f); err != nil {
			return 0, 0, err
		}
	}
	if !f.Flags.Has(http2.FlagHeadersPriority) {
		return n, pad, nil
	}
	if n < 5 {
		return 0, 0, tooShort(f, int(f.Length)-n+5)
	}
	p, err := r.take(5)
	if err != nil {
		return 0, 0, err
	}
	r.block.h.Err = checkDependency(f, p)
	return n - 5, pad, nil
}

// readContinuations reads CONTINUATION frames up to END_HEADERS. That nothing
// comes between them is checked by http2.Framer.ReadFrameHeader.
func (r *Reader) readContinuations() error {
	for count := 1; ; count++ {
		if count > r.maxContinuations {
			return connErrorf(EnhanceYourCalm, "header block of stream %d has more than %d CONTINUATION frames",
				r.block.h.StreamID, r.maxContinuations)
		}
		fh, err := r.readHeader()
		if err != nil {
			return err
		}
		if err := r.readFragment(int(fh.Length)); err != nil {
			return err
		}
		if fh.Flags.Has(http2.FlagContinuationEndHeaders) {
			return r.endBlock()
		}
	}
}

// readFragment decodes the next n octets as part of the block.
func (r *Reader) readFragment(n int) error {
	b := &r.block
	b.encoded += int64(n)
	if b.encoded > r.maxBlock {
		return connErrorf(EnhanceYourCalm, "header block of stream %d has more than %d encoded octets",
			b.h.StreamID, r.maxBlock)
	}
	for n > 0 {
		p, err := r.src.chunk(n)
		if err != nil {
			return err
		}
		if _, err := b.dec.Write(p); err != nil {
			return r.decodeError(err)
		}
		r.src.skip(len(p))
		n -= len(p)
	}
	return nil
}

// decodeError says what HPACK could not decode (RFC 9113 section 4.3).
func (r *Reader) decodeError(err error) error {
	if errors.Is(err, hpack.ErrStringLength) {
		return connErrorf(EnhanceYourCalm, "header block of stream %d has a string longer than %d octets",
			r.block.h.StreamID, r.maxBlock)
	}
	return connErrorf(CompressionError, "header block of stream %d: %v", r.block.h.StreamID, err)
}
