//go:build !race

package faultproxy_test

// stride is how many bytes lie between faults: every byte has its turn.
const stride = 1
