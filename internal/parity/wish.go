package parity

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/cqrpc/cqrpc"
)

// wish is what a request asks of Standard: JSON, and zeros after it that nobody
// parses. The empty request asks for nothing, which a unary call grants with an
// empty response.
type wish struct {
	Sizes   []int      `json:",omitempty"` // of the responses, zeros
	Code    cqrpc.Code `json:",omitempty"` // to end with instead
	Message string     `json:",omitempty"`
	Ballast int        `json:"-"` // so many zeros make the request large
}

// asking is a request for responses of the given sizes.
func asking(sizes ...int) []byte { return wish{Sizes: sizes}.bytes() }

// failure is a request for a status.
func failure(code cqrpc.Code, message string) []byte {
	return wish{Code: code, Message: message}.bytes()
}

func (w wish) bytes() []byte {
	b, err := json.Marshal(w)
	if err != nil {
		panic("BUG: parity: " + err.Error())
	}
	return append(b, make([]byte, w.Ballast)...)
}

// parseWish returns the status that req wishes for as an error.
func parseWish(req []byte) (w wish, err error) {
	if len(req) == 0 {
		return w, nil
	}
	text, _, _ := bytes.Cut(req, []byte{0}) // which JSON has none of
	if err := json.Unmarshal(text, &w); err != nil {
		return w, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "not a wish: %w", err)
	}
	st := cqrpc.Status{Code: w.Code, Message: w.Message}
	return w, st.Err()
}

func decimal(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
