// Package frame turns bytes into HTTP/2 frames and gRPC messages, and back. It is for packages
// transport and call; applications do not need it.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-----------------------------------------------+---------------+
//	|                 Length (24)                   |   Type (8)    |   frame header,
//	+---------------+-+-----------------------------+---------------+   RFC 9113
//	|   Flags (8)   |R|               Stream Identifier (31) ...        section 4.1
//	+---------------+-+---------------------------------------------+
//
//	+---------------+-----------------------------------------------+
//	| Compressed (8)|           Message Length (32) ...              |   message prefix,
//	+---------------+-----------------------------------------------+   gRPC over HTTP/2
//
// A [Reader] yields one checked [Frame] at a time, a [Writer] collects frames
// for one write, an [Assembler] cuts the DATA payloads of one stream into
// messages. What a frame means to a stream or a connection is not decided
// here; that is package transport.
//
// # Limits
//
//	frame payload         16,384 octets until SetMaxFrameSize (RFC 9113 section 4.2)
//	header list           ReaderConfig.MaxHeaderList: past it the stream fails
//	encoded header block  ReaderConfig.MaxHeaderBlock: past it the connection fails
//	CONTINUATION frames   ReaderConfig.MaxContinuations per block
//	HPACK table           4,096 octets each way unless settings say otherwise
//	message               the limit given to Assembler.Push
//
// # Where to find what
//
//	reader, source, preface       bytes come in: frames, one at a time, and the buffer they are cut from
//	frame, control                what a frame is; the small ones
//	block, header, pseudo, memo   header blocks: HPACK, the rules for fields, blocks that repeat
//	message, assembler            messages: their prefix, and how they are cut from DATA
//	writer, flush, piece          bytes go out: frames are collected, and written in one go
//	encode, encodings             fields to HPACK: what is worth a place in the table; lists that repeat
//	outgoing                      what the packages above pass to each other: header lists, messages, counts
//	binary, percent, timeout      the codings of gRPC's fields
//	errors                        what ends a stream or a connection
//
// # Concurrency
//
// A Reader, a Writer and an Assembler each belong to one goroutine at a time.
// Functions are safe for concurrent use.
package frame
