// Package archtest has no code, only tests: they hold the tree to its import
// graph and to the house rules a compiler does not check.
//
//	roof     examples                      cmd
//	styles   client/…                      server/…
//	wiring   client                        server            client ✗ server
//	middle   transport                     call              transport ✗ call
//	ground   frame         cq              codec
//	cellar   cqrpc         internal/mem    internal/version
//
// The full graph is the table in graph_test.go; a new edge is a change of
// architecture and is made there, on purpose. Tests and nested modules may
// import what they need.
//
// The tests, files and headings that pages of documentation name are there, too
// (docs_test.go). A package of more than a dozen files has a guide to them in its
// comment, and a guide has all of them.
package archtest
