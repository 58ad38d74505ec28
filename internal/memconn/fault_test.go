package memconn_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/internal/memconn"
)

func TestStallHidesBytesAndEnd(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		server.Stall()
		client.Write([]byte("late"))
		client.CloseWrite()
		reading := start(readSome(server, 9))
		wantPending(t, "the server hears nothing", reading)
		wantResult(t, "the other direction is not stalled", start(writeSome(server, 1)), 1, nil)
		wantResult(t, "nor are its reads", start(readSome(client, 1)), 1, nil)
		server.Resume()
		wantResult(t, "the bytes", reading, 4, nil)
		wantResult(t, "and the end", start(readSome(server, 9)), 0, io.EOF)
	})
}

func TestStallWithLimitBlocksTheWriter(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetWriteLimit(10)
		server.Stall()
		wantResult(t, "up to the limit", start(writeSome(client, 10)), 10, nil)
		held := start(writeSome(client, 1))
		reading := start(readSome(server, 99))
		wantPending(t, "past the limit", held)
		server.Resume()
		synctest.Wait()
		wantResult(t, "reads go on", reading, 10, nil)
		wantResult(t, "and so do writes", held, 1, nil)
	})
}

func TestCloseEndsAStalledRead(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.Stall()
		reading := start(readSome(client, 1))
		client.Close()
		wantResult(t, "a stall is not stronger than Close", reading, 0, net.ErrClosed)
	})
}

func TestFailBreaksBothEnds(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		client.SetWriteLimit(1)
		writing := start(writeSome(client, 3))
		reading := start(readSome(client, 1))
		server.Fail(errBroken)
		server.Fail(io.ErrUnexpectedEOF)
		wantResult(t, "pending write", writing, 1, errBroken)
		wantResult(t, "pending read", reading, 0, errBroken)
		wantResult(t, "buffered bytes are lost", start(readSome(server, 1)), 0, errBroken)
		wantResult(t, "later write", start(writeSome(server, 1)), 0, errBroken)
	})
}

func TestFailReadAndFailWriteAreOneSided(t *testing.T) {
	bubble(t, func(t *testing.T, client, server *memconn.Conn) {
		server.Write([]byte("goodbye"))
		client.FailWrite(errBroken)
		wantResult(t, "writes fail", start(writeSome(client, 1)), 0, errBroken)
		wantResult(t, "what came before can be read", start(readSome(client, 99)), 7, nil)

		reading := start(readSome(client, 1))
		client.FailRead(errBroken)
		wantResult(t, "pending read", reading, 0, errBroken)
		wantResult(t, "the peer notices nothing", start(writeSome(server, 1)), 1, nil)
		wantPending(t, "nor here", start(readSome(server, 1)))
	})
}
