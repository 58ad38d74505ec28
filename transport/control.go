package transport

import (
	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// controlState is the control frames to be sent, as state instead of a queue:
// what a peer triggers is counted or merged, so a flood cannot grow it beyond
// its budgets. The flusher takes it whole. Guarded by Conn.mu.
type controlState struct {
	preface      bool
	final        bool // the last of goAways is the end: nothing follows it
	connCredit   int32
	settings     []http2.Setting
	settingsAcks int
	pingAcks     [][8]byte
	pings        [][8]byte
	credits      []*Stream // streams whose credit is due
	resets       []resetFrame
	goAways      []goAwayFrame
}

type resetFrame struct {
	id   uint32
	code frame.ErrCode
}

type goAwayFrame struct {
	lastID uint32
	code   frame.ErrCode
	debug  string
}

// greet queues what RFC 9113 section 3.4 wants first.
func (k *controlState) greet(side Side, cfg *Config) {
	k.preface = side == Client
	k.settings = append(k.settings,
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(cfg.MaxHeaderList)})
	if side == Client {
		k.settings = append(k.settings, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	} else if cfg.MaxConcurrentStreams >= 0 {
		k.settings = append(k.settings,
			http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(cfg.MaxConcurrentStreams)})
	}
	if cfg.InitialWindow != defaultWindow {
		k.settings = append(k.settings,
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(cfg.InitialWindow)})
	}
	if cfg.MaxFrameSize != minFrameSize {
		k.settings = append(k.settings,
			http2.Setting{ID: http2.SettingMaxFrameSize, Val: uint32(cfg.MaxFrameSize)})
	}
	if cfg.HeaderTableSize != 4096 {
		k.settings = append(k.settings,
			http2.Setting{ID: http2.SettingHeaderTableSize, Val: uint32(cfg.HeaderTableSize)})
	}
	k.connCredit = int32(cfg.InitialConnWindow - defaultWindow)
}

func (k *controlState) addReset(id uint32, code frame.ErrCode) {
	k.resets = append(k.resets, resetFrame{id, code})
}

func (k *controlState) addCredit(s *Stream) {
	if !s.crediting {
		s.crediting = true
		k.credits = append(k.credits, s)
	}
}

// finalGoAway replaces everything that has not been sent yet, but for what must
// come first: the connection is over.
func (k *controlState) finalGoAway(g goAwayFrame) {
	*k = controlState{
		preface: k.preface, settings: k.settings, // a GOAWAY may not be the first frame
		goAways: append(k.goAways[:0], g), final: true,
	}
}

func (k *controlState) empty() bool {
	return !k.preface && len(k.settings) == 0 && k.settingsAcks == 0 && len(k.pingAcks) == 0 && len(k.pings) == 0 &&
		k.connCredit == 0 && len(k.credits) == 0 && len(k.resets) == 0 && len(k.goAways) == 0
}

// clear empties k and keeps its memory.
func (k *controlState) clear() {
	clear(k.credits)
	*k = controlState{
		settings: k.settings[:0], pingAcks: k.pingAcks[:0], pings: k.pings[:0],
		credits: k.credits[:0], resets: k.resets[:0], goAways: k.goAways[:0],
	}
}

// forget leaves the memory that clear has kept to the collector.
func (k *controlState) forget() {
	if k.empty() {
		*k = controlState{final: k.final}
	}
}

// encode appends the frames in the order that RFC 9113 asks for, or else in the one in
// which least is lost.
func (k *controlState) encode(w *frame.Writer, grants []grant) {
	if k.preface {
		w.Preface()
	}
	if len(k.settings) > 0 {
		w.Settings(k.settings...)
	}
	for range k.settingsAcks {
		w.SettingsAck()
	}
	for _, p := range k.pingAcks {
		w.PingAck(p)
	}
	if !k.final { // before PING: its answer shows that the peer has seen GOAWAY
		k.encodeGoAways(w)
	}
	for _, p := range k.pings {
		w.Ping(p)
	}
	for _, g := range grants {
		w.WindowUpdate(g.id, g.n)
	}
	for _, r := range k.resets {
		w.RSTStream(r.id, r.code)
	}
	if k.final {
		k.encodeGoAways(w)
	}
}

func (k *controlState) encodeGoAways(w *frame.Writer) {
	for _, g := range k.goAways {
		w.GoAway(g.lastID, g.code, g.debug)
	}
}

// grant is a WINDOW_UPDATE.
type grant struct{ id, n uint32 }
