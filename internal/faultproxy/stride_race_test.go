//go:build race

package faultproxy_test

// stride is how many bytes lie between faults: the race detector takes ten times
// as long, and styles begin at different bytes.
const stride = 11
