// Package hostile attacks a cqrpc server over loopback, one test for each class
// of abuse that is known of HTTP/2 and gRPC, CVE numbers included. What each
// attack must come to is in its row: how the connection is answered, how much
// memory the server may hold, how many handlers may run. Meanwhile a
// well-behaved client makes calls on another connection, and all must succeed.
//
//	attacker ── one connection ──► server ◄── another ── bystander
//	   │ writes the row's frames      │ Echo, Wait, Stubborn,       │ Echo, Echo,
//	   │ counts what comes back       │ Pour, Count, Ignore         │ Echo ...
//
// TestRiots has clients say anything, and TestRogues servers, to our own of each style.
//
// How a client fares against a hostile server, fault by fault, is tested in package client, on a
// fake clock; the budgets one by one in package transport.
//
// Concurrency: rows run one after another, because memory is measured.
package hostile
