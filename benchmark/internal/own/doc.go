// Package own is the bench's clients and servers of cqrpc, one file for each end
// of each style. A slot belongs to one operation at a time; so does a call's
// record on a server.
package own
