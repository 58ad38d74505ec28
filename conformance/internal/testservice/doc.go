// Package testservice is grpc.testing.TestService.
package testservice

import _ "google.golang.org/grpc/interop"
import _ "google.golang.org/genproto/googleapis/rpc/errdetails"
