// Command record makes the corpus of transport/testdata/recorded anew: what real
// HTTP/2 and gRPC clients and servers say to each other, as seeds for fuzzing and
// to be replayed.
//
//	client ──► tap ──► server
//	            └──► out/to-server/<session>-<hash>, out/to-client/<session>-<hash>
//
// From the root of the repository, with h2spec in .tmp/bin (TESTING.md) and
// Debian's nghttp2-client, nghttp2-server, curl and python3-grpcio:
//
//	go run ./conformance/cmd/record transport/testdata/recorded
//
// Whatever is not installed is left out and said so. All traffic is on loopback.
// A recording is cut at 4 KiB; of equal ones one is kept.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: record DIRECTORY")
	}
	out := os.Args[1]
	for _, way := range []string{"to-server", "to-client"} {
		dir := filepath.Join(out, way)
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
			log.Fatal(err)
		}
	}
	for _, s := range sessions() {
		if err := s.record(out); err != nil {
			log.Printf("%s is left out: %v", s.name, err)
			continue
		}
		fmt.Println("recorded", s.name)
	}
}
