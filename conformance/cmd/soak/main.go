// Command soak runs calls of all shapes between clients and servers of all styles
// through a bad network, for as long as it is told, and stops at the first
// violation: a batch that does not come back exactly once, a call that hangs or
// ends as no call may, goroutines or memory that grow.
//
//	callers of each style ──► faultproxy ──► server with each style, restarted at times
//	        │                                    │
//	        └──────────── ledger.Book ───────────┘   audited between rounds
//
// From the root of the repository:
//
//	go run ./conformance/cmd/soak -d 1h
//
// The seed is printed; with -seed it makes the same plans again, though not the
// same timing. The exit status is 1 after a violation. All traffic is on loopback.
package main

import (
	"flag"
	"log"
	"math/rand/v2"
	"os"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	d := flag.Duration("d", time.Minute, "how long")
	seed := flag.Uint64("seed", rand.Uint64(), "of the plans")
	flag.Parse()
	log.Printf("seed %d", *seed)
	if err := soak(*d, *seed, log.Printf); err != nil {
		log.Printf("VIOLATION (seed %d): %v", *seed, err)
		os.Exit(1)
	}
	log.Print("no violation")
}
