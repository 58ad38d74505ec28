// Package oneport is for a port that gRPC shares with net/http, each at its own speed:
// connections go to the one or to the other, whole.
//
// # Plaintext
//
//	grpcs, https := oneport.Split(lis)
//	go s.Serve(grpcs)           // s := server.New(…)
//	err := http.Serve(https, h) // HTTP/1.1: metrics, probes, a gateway
//
//	                       ┌─ "PRI": HTTP/2's preface ──► grpcs
//	lis.Accept ──► peek ───┤
//	                       └─ anything else ────────────► https
//
// On Unix what is looked at stays in the socket, and a server gets the connection as it
// was accepted.
//
// # TLS
//
// There ALPN says what a connection is for, and net/http passes HTTP/2 on by itself:
//
//	web := &http.Server{
//		TLSConfig: &tls.Config{Certificates: certs, NextProtos: []string{"h2", "http/1.1"}},
//		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){
//			"h2": func(_ *http.Server, nc *tls.Conn, _ http.Handler) { _ = s.ServeConn(nc) },
//		},
//	}
//
// # What it cannot do
//
// All of HTTP/2 is gRPC's: a browser that speaks it gets 415. Requests are not told
// apart, only connections.
//
// Concurrency: the listeners may be used by any number of goroutines. Split starts one, which
// ends when both listeners are closed, and one for each connection until that is accepted.
package oneport
