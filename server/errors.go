package server

import "errors"

var (
	// ErrServerClosed is returned by Serve and ServeConn after Shutdown,
	// ShutdownAndNotify or Close, and is the Err of a request for a call that
	// the end of the server answered.
	ErrServerClosed = errors.New("server: closed")
	// ErrServing is returned by what must come before the first Serve.
	ErrServing = errors.New("server: already serving")
	// ErrUnknownQueue is returned when a request for a call is to be notified on
	// a queue that was not given to AddQueue (C-core NOT_SERVER_COMPLETION_QUEUE).
	ErrUnknownQueue = errors.New("server: notification queue was not added to this server")
	// ErrUnknownMethod is returned for a Method of another server.
	ErrUnknownMethod = errors.New("server: method is not registered with this server")
	// ErrPayloadMismatch is returned when a request wants a payload of a method
	// registered without (C-core PAYLOAD_TYPE_MISMATCH).
	ErrPayloadMismatch = errors.New("server: method was registered without payload")
	// ErrHeaderSent is returned when initial metadata is set or sent after it
	// has gone out.
	ErrHeaderSent = errors.New("server: initial metadata was sent already")
	// ErrNoCall is returned when a context is not that of a handler.
	ErrNoCall = errors.New("server: context belongs to no call of this package")

	errCancelled = errors.New("server: all calls are cancelled")
)
