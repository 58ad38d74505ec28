package server

import (
	"testing"
	"unsafe"
)

// An idle stream costs a server its call and its stream above all. The next size class after
// 416 bytes is 448.
func TestPiecesAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(pieces{}); unsafe.Sizeof(uintptr(0)) == 8 && size > 416 {
		t.Errorf("a call and its stream have %d bytes; want 416 at most", size)
	}
}
