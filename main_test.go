package cqrpc_test

import (
	"testing"

	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
