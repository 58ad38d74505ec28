// Package leak fails tests that leave goroutines or message buffers behind.
//
//	func TestMain(m *testing.M) { leak.Main(m) }   // goroutines, once per package
//
//	leak.Check(t)                                  // goroutines of one test
//	leak.Buffers(t)                                // mem.Buffers of one test
//	leak.InBubble()                                // how many goroutines a synctest bubble has
//
// A goroutine counts as left behind if code of this module is on its stack and
// it is still there after a grace of many short looks. Call Check and Buffers
// first in a test, so that they look last; a test that uses them must not be
// parallel. In a synctest bubble use them with the t of the bubble: the grace
// then passes on the fake clock, at once, and only goroutines of the bubble count.
// The functions may be called from the goroutine of the test only.
package leak
