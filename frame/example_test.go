package frame_test

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// One request, from fields and a message to octets and back.
func Example() {
	var wire bytes.Buffer
	w := frame.NewWriter()
	w.Headers(1, []frame.Field{{Name: ":path", Value: "/greet.Greeter/Hello"}}, false)
	body := []byte("an encoded message")
	var prefix [frame.PrefixLen]byte
	frame.PutPrefix(&prefix, false, len(body))
	w.Data(1, prefix[:], body, nil, true)
	if err := w.Flush(&wire); err != nil {
		fmt.Println(err)
	}

	r := frame.NewReader(&wire, frame.ReaderConfig{})
	var messages frame.Assembler
	defer messages.Close()
	for {
		f, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		switch f.Type {
		case http2.FrameHeaders:
			fmt.Println("headers:", f.Headers.Value(":path"))
		case http2.FrameData:
			if err := messages.Push(f.Data, 1<<20); err != nil {
				fmt.Println(err)
			}
		}
		for m, ok := messages.Pop(); ok; m, ok = messages.Pop() {
			fmt.Printf("message: %s, end: %v\n", m.Body.Bytes(), f.End)
			m.Body.Free()
		}
	}
	// Output:
	// headers: /greet.Greeter/Hello
	// message: an encoded message, end: true
}
