package transport

import "net"

// Setup is a Config with its defaults filled in, for the connections of one side:
// they share it. Immutable.
type Setup struct {
	side Side
	cfg  Config
}

// NewSetup resolves cfg.
func NewSetup(side Side, cfg Config) *Setup { return &Setup{side: side, cfg: cfg.resolved(side)} }

// Start is New with this setup.
func (s *Setup) Start(nc net.Conn, h Handler) *Conn { return start(s.side, nc, &s.cfg, h) }
