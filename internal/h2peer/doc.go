// Package h2peer is the other end of an HTTP/2 connection, played by a test:
// it says frame by frame what a peer sends, legal or not, and what it wants to
// see, each want with the reason for it.
//
//	subject under test  ◄──  memconn or TCP  ──►  Peer
//	                                               p.Greet()
//	                                               p.Request(1, "/s/m")
//	                                               p.WantResponse("headers come first", 1)
//	                                               p.WantIdle("the window is empty")
//
// A peer does nothing by itself: it neither acknowledges nor opens a window
// unless the script says so. Frames are wanted in the order the subject sends
// them.
//
// Inside a testing/synctest bubble every want first waits until nothing moves
// any more, so a missing frame is a failure at once and WantIdle is exact.
// Outside, wants wait for the network, all of them together for at most
// [Patience], and WantIdle asks for a PING round trip.
//
// All methods belong to the goroutine of the test, because they end it on
// failure. TestTutorial shows the harness at work.
package h2peer
