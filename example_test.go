package cqrpc_test

import (
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
)

// A status with details is data: it travels, and becomes an error where Go
// code wants one.
func ExampleStatus_WithDetails() {
	st := cqrpc.Status{Code: cqrpc.CodeResourceExhausted, Message: "quota used up"}
	st, err := st.WithDetails(wrapperspb.Int64(100))
	if err != nil {
		fmt.Println(err)
		return
	}
	got := cqrpc.StatusOf(fmt.Errorf("upload: %w", st.Err()))
	fmt.Println(got)
	var limit wrapperspb.Int64Value
	fmt.Println(got.Details[0].UnmarshalTo(&limit), limit.GetValue())
	// Output:
	// RESOURCE_EXHAUSTED: quota used up (1 detail)
	// <nil> 100
}

// Metadata is an ordered list with repeated keys; printing it shows sizes and
// no values, which may be secrets.
func ExamplePairs() {
	md := cqrpc.Pairs("Authorization", "Bearer x", "trace-bin", "\x00\xff")
	md.Add("accept-language", "eo")
	md.Add("accept-language", "en")
	fmt.Println(md.Get("accept-language"), md.Values("accept-language"), md.Validate())
	fmt.Println(md)
	// Output:
	// eo [eo en] <nil>
	// [authorization:8 trace-bin:2 accept-language:2 accept-language:2]
}
