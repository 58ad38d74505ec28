// Package codec turns application messages into the bytes of one gRPC message
// and back.
//
//	message --Codec.Append--> bytes --Compressor.Compress--> payload of a gRPC message
//	message <-Codec.Unmarshal- bytes <-Compressor.Decompress- payload
//
// Codecs and compressors are values handed to a client or a server; there is no
// registry. Both append to the slice they are given, so the caller decides
// where the bytes live, and both borrow their input: they neither change it nor
// keep it after they return.
//
// [Proto] is the codec of Protocol Buffers and the default; [ProtoReusing] is for
// applications that receive into the same message again; [JSON] and [Bytes] are for other
// contents.
//
// Everything here is safe for concurrent use. No function starts a goroutine.
package codec
