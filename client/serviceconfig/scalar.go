package serviceconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc"
)

// number is a JSON number, or text of one, as protobuf's JSON has it.
type number float64

func (n *number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	v, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil {
		return fmt.Errorf("%s is no number", text)
	}
	*n = number(v)
	return nil
}

// whole is n if it is an integer from 0 to 2^32-1, the range of protobuf's uint32; more than an int
// can hold is the most that it can.
func (n number) whole() (int, error) {
	if !(n >= 0 && n <= math.MaxUint32) || math.Trunc(float64(n)) != float64(n) {
		return 0, fmt.Errorf("%v is not a whole number up to %d", float64(n), uint32(math.MaxUint32))
	}
	return int(min(uint64(n), math.MaxInt)), nil
}

// duration is google.protobuf.Duration: seconds, with up to nine decimals and an "s" at the end.
type duration time.Duration

func (d duration) std() time.Duration { return time.Duration(d) }

func (d *duration) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is no duration: want text, such as \"1.5s\"", text)
	}
	seconds, ok := strings.CutSuffix(s, "s")
	_, decimals, _ := strings.Cut(seconds, ".")
	parsed, err := time.ParseDuration(s)
	if !ok || err != nil || len(decimals) > 9 || strings.Trim(strings.TrimPrefix(seconds, "-"), "0123456789.") != "" {
		return fmt.Errorf("%q is no duration: want seconds, such as \"1.5s\"", s)
	}
	*d = duration(parsed)
	return nil
}

// code is a status, by number or by name in any case.
type code struct{ cqrpc.Code }

func (c *code) UnmarshalJSON(text []byte) error {
	if found, ok := cqrpc.ParseCode(string(text)); ok {
		c.Code = found
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err == nil {
		for found := cqrpc.CodeOK; found <= cqrpc.CodeUnauthenticated; found++ {
			if strings.EqualFold(found.String(), s) {
				c.Code = found
				return nil
			}
		}
	}
	return errors.New(string(text) + " is no status code")
}
