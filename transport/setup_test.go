package transport

import (
	"testing"

	"github.com/cqrpc/cqrpc/internal/memconn"
)

// Connections of one Setup share its configuration.
func TestSetupIsShared(t *testing.T) {
	setup := NewSetup(Client, Config{MaxHeaderList: 300})
	var cfg [2]*Config
	for i := range cfg {
		nc, peer := memconn.Pipe()
		h := newTestHandler()
		c := setup.Start(nc, h)
		cfg[i] = c.cfg
		c.Close()
		_ = peer.Close()
		<-h.closed
	}
	if cfg[0] != cfg[1] || cfg[0].MaxHeaderList != 300 || cfg[0].MaxFrameSize != minFrameSize {
		t.Errorf("%p %+v, %p", cfg[0], cfg[0], cfg[1])
	}
}

// A connection has a table while it has streams, and a wide one for good.
func TestTableIsGivenBack(t *testing.T) {
	var tab streamTableState
	fill := func(n uint32) {
		for id := range n {
			tab.add(&Stream{id: id})
		}
		for id := range n {
			tab.remove(id)
		}
		tab.remove(n)
	}
	if fill(narrowTable); tab.table != nil {
		t.Error("an empty table is kept")
	}
	if fill(narrowTable + 1); tab.table == nil {
		t.Error("a wide table is given to others")
	}
	if fill(1); tab.table == nil {
		t.Error("a table that was wide is given to others")
	}
}
