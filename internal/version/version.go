// Package version says which release this is.
//
// Concurrency: nothing here changes.
package version

// Number is the release, as in its tag but without the "v".
const Number = "0.1.0"
