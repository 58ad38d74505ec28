package h2peer

import (
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxFramePayload is the default SETTINGS_MAX_FRAME_SIZE (RFC 9113 section
// 6.5.2), where the methods that split do it.
const maxFramePayload = 16384

// wrote keeps the first write error. It does not fail the test: in a flood the
// subject may rightly hang up in the middle, and any other script goes on to
// want something and is told then.
func (p *Peer) wrote(err error) {
	if p.writeErr == nil {
		p.writeErr = err
	}
}

// WriteBytes writes b as it is.
func (p *Peer) WriteBytes(b []byte) {
	_, err := p.conn.Write(b)
	p.wrote(err)
}

// WriteRaw writes a frame with any type, flags, stream and payload, right or
// wrong.
func (p *Peer) WriteRaw(ft http2.FrameType, flags http2.Flags, id uint32, payload []byte) {
	p.wrote(p.framer.WriteRawFrame(ft, flags, id, payload))
}

// WritePreface writes the client connection preface without the SETTINGS that
// must follow it.
func (p *Peer) WritePreface() { p.WriteBytes([]byte(http2.ClientPreface)) }

// WriteSettings writes SETTINGS. From now on the subject's header blocks may
// use the announced HEADER_TABLE_SIZE.
func (p *Peer) WriteSettings(settings ...http2.Setting) {
	for _, s := range settings {
		if s.ID == http2.SettingHeaderTableSize {
			p.in.setTableSize(s.Val)
		}
	}
	p.wrote(p.framer.WriteSettings(settings...))
}

// WriteSettingsAck writes SETTINGS with ACK.
func (p *Peer) WriteSettingsAck() { p.wrote(p.framer.WriteSettingsAck()) }

// EncodeHeaders returns the header block of name, value, name, value, … as
// p's HPACK encoder puts it now. A block must be sent, and in this order, or
// the two ends' tables differ. Values are indexed like any peer's would be.
func (p *Peer) EncodeHeaders(fields ...string) []byte {
	p.t.Helper()
	if len(fields)%2 != 0 {
		p.t.Fatalf("fields are names and values in turn; the last of %q has no value", fields)
	}
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.wrote(p.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return append([]byte(nil), p.block.Bytes()...)
}

// WriteHeaders writes one header block, fields being name, value, name, value,
// …; a block of more than 16384 bytes goes on in CONTINUATIONs.
func (p *Peer) WriteHeaders(id uint32, end bool, fields ...string) {
	p.t.Helper()
	block := p.EncodeHeaders(fields...)
	n := min(len(block), maxFramePayload)
	p.WriteHeadersRaw(id, end, n == len(block), block[:n])
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), maxFramePayload)
		p.WriteContinuation(id, n == len(block), block[:n])
	}
}

// WriteHeadersRaw writes one HEADERS frame with the given piece of a block.
func (p *Peer) WriteHeadersRaw(id uint32, end, endHeaders bool, block []byte) {
	p.wrote(p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: block, EndStream: end, EndHeaders: endHeaders,
	}))
}

// WriteContinuation writes one CONTINUATION frame with the given piece of a
// block.
func (p *Peer) WriteContinuation(id uint32, endHeaders bool, block []byte) {
	p.wrote(p.framer.WriteContinuation(id, endHeaders, block))
}

// WriteData writes one DATA frame, whatever its size and the subject's windows.
func (p *Peer) WriteData(id uint32, end bool, data []byte) {
	p.wrote(p.framer.WriteData(id, end, data))
}

// WriteDataPadded writes one DATA frame with the PADDED flag and pad, at most
// 255 bytes, after the data. Padding costs window, and one byte for its length.
func (p *Peer) WriteDataPadded(id uint32, end bool, data, pad []byte) {
	if pad == nil {
		pad = []byte{} // nil would clear the flag
	}
	p.wrote(p.framer.WriteDataPadded(id, end, data, pad))
}

// WriteRST writes RST_STREAM.
func (p *Peer) WriteRST(id uint32, code http2.ErrCode) { p.wrote(p.framer.WriteRSTStream(id, code)) }

// WritePing writes PING.
func (p *Peer) WritePing(ack bool, data [8]byte) { p.wrote(p.framer.WritePing(ack, data)) }

// WriteGoAway writes GOAWAY with debug data in words.
func (p *Peer) WriteGoAway(last uint32, code http2.ErrCode, debug string) {
	p.wrote(p.framer.WriteGoAway(last, code, []byte(debug)))
}

// WriteWindowUpdate writes WINDOW_UPDATE; id 0 is the connection.
func (p *Peer) WriteWindowUpdate(id, increment uint32) {
	p.wrote(p.framer.WriteWindowUpdate(id, increment))
}

// WritePriority writes the obsolete PRIORITY frame (RFC 9113 section 5.3.2).
func (p *Peer) WritePriority(id uint32, param http2.PriorityParam) {
	p.wrote(p.framer.WritePriority(id, param))
}
