package h2peer

import "golang.org/x/net/http2"

// Greet does the whole opening exchange of RFC 9113 section 3.4 for p's side:
// preface and SETTINGS of both ends and their ACKs, and drops the connection
// WINDOW_UPDATEs a subject likes to open with. It returns the subject's
// SETTINGS.
func (p *Peer) Greet(settings ...http2.Setting) Frame {
	p.t.Helper()
	if p.side == Client {
		p.WritePreface()
	}
	p.WriteSettings(settings...)
	theirs := p.WantSettings("greeting: the first frame is SETTINGS")
	if size, ok := theirs.Setting(http2.SettingHeaderTableSize); ok {
		p.encoder.SetMaxDynamicTableSizeLimit(size)
	}
	p.WriteSettingsAck()
	p.wantGreetingAck()
	return theirs
}

// wantGreetingAck finds the ACK among what the subject has sent, because a
// client may send requests before it has seen our SETTINGS.
func (p *Peer) wantGreetingAck() {
	p.t.Helper()
	for {
		f, err := p.take(func(f Frame) bool { return f.Ack() || opensConnWindow(f) })
		if err != nil {
			p.fatalf("greeting: SETTINGS must be acknowledged", "%v", err)
		}
		if f.Type == http2.FrameSettings {
			break
		}
	}
	for p.bubble {
		if _, ok, _ := p.in.take(opensConnWindow); !ok {
			return
		}
	}
}

func opensConnWindow(f Frame) bool { return f.Type == http2.FrameWindowUpdate && f.StreamID == 0 }
