// Package roster is every implementation and style that the bench knows, by
// name.
package roster

import (
	"fmt"
	"strings"

	"github.com/cqrpc/cqrpc/benchmark/internal/floor"
	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/own"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// Entry is one implementation in one style.
type Entry struct {
	Name, Style string // Style is empty for an implementation that has but one
	NewServer   func(service.Setting) (service.Server, error)
	NewClient   func(load.Setup) (load.Client, error)
}

// Entries returns all.
func Entries() []Entry {
	return append([]Entry{
		{"cqrpc", "raw", own.NewRawServer, own.NewRawClient},
		{"cqrpc", "sync", own.NewSyncServer, own.NewSyncClient},
		{"cqrpc", "queue", own.NewQueueServer, own.NewQueueClient},
		{"cqrpc", "reactor", own.NewReactorServer, own.NewReactorClient},
		{"cqrpc", "future", own.NewFutureServer, own.NewFutureClient},
	}, peers()...)
}

// Floor returns what is below all: TCP without a protocol. It speaks with itself
// only.
func Floor() Entry { return Entry{"tcp", "", floor.NewServer, floor.NewClient} }

// CheckTLS reports an implementation that is here in plaintext only.
func (e Entry) CheckTLS() error {
	if e.Name == "cqrpc" || e.Name == "grpc-go" {
		return nil
	}
	return fmt.Errorf("%s does not encrypt here", e.Name)
}

// Find returns the entry of a name, and of a style if it has several.
func Find(name, style string) (Entry, error) {
	var known []string
	for _, e := range append(Entries(), Floor()) {
		if e.Name == name && (e.Style == style || e.Style == "") {
			return e, nil
		}
		known = append(known, strings.TrimSpace(e.Name+" "+e.Style))
	}
	return Entry{}, fmt.Errorf("no implementation %q with style %q, only %q", name, style, known)
}
