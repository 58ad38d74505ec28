// Package connect is what programs under test of the connectrpc conformance
// suite consist of, in any style of cqrpc: how they talk to the suite and what
// they are told to do. Nothing here makes or serves a call.
//
//	suite ──ServerCompatRequest──► connect-server     a Script for each call says what to answer
//	      ◄─ServerCompatResponse─
//	suite ──ClientCompatRequest──► connect-client     an Order for each call says what to do and
//	      ◄─ClientCompatResponse─                     gathers what came of it
//
// Messages on standard input and output are a length of four bytes, big-endian,
// and a binary protobuf of package connectrpc.conformance.v1.
//
// A Script or an Order belongs to one goroutine at a time.
package connect
