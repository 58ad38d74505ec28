package main

import (
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// A soak of five seconds finds nothing.
func TestSoak(t *testing.T) {
	if err := soak(5*time.Second, 1, t.Logf); err != nil {
		t.Fatal(err)
	}
}
