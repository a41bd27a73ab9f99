package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

const (
	stream = 1 // the RTSP connection

	source      = "mpegts"
	overUDP     = "rtp"  // RTP packets, a datagram each
	interleaved = "rtsp" // the same as interleaved frames of channel 0

	nanosPerMilli = 1_000_000
)

// Timers. Those from recordTimers on are the recording half's.
const (
	stepTimer    = 1 // the pending request's next step
	tickTimer    = 2 // sender reports, and silence
	startTimer   = 3 // media over UDP begins
	tracksTimer  = 4 // tracks have been waited for
	recordTimers = 8
)

// plugin is the configuration of one instance.
type plugin struct {
	fastStart int64 // ns
	ports     string
	groups    sdk.Config
	ttl       uint8
	tracks    bool     // are meant by a URL that does not say
	sink      unitSink // scratch: what the recording half makes of a packet
}

func newPlugin() *sdk.Plugin {
	p := new(plugin)
	return sdk.New(p.open, p.event)
}

const defaultTTL = 1 // as a point's multicast destination has (chosen there)

func (p *plugin) open(e *abi.Open) error {
	c := sdk.Config(e.Config)
	p.fastStart = c.Int("fast_start_ms", 0) * nanosPerMilli
	p.ports = c.Text("ports", "")
	p.tracks = c.Text("payload", "ts") == "tracks"
	p.groups = c.Object("multicast")
	p.ttl = uint8(c.Int("multicast_ttl", defaultTTL))
	return nil
}

func (p *plugin) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Package:
		s.pack.begin(e, v)
		return nil
	case *abi.Packets:
		return s.pack.cut(e, v)
	case *abi.ConnOpen:
		s.opened(e, v)
		return nil
	case *abi.Data:
		p.data(s, e, v)
		return nil
	case *abi.Logged:
		if s.mode != modeRecord {
			p.logged(s, e, v)
			return nil
		}
	case *abi.Timer:
		if e.ID < recordTimers {
			p.timer(s, e, v)
			return nil
		}
	case *abi.End:
		if e.Conn == stream && s.mode != modeRecord {
			if s.pending.kind == kindOptions { // whoever only asks may close behind it
				s.optionsOf(v)
				s.end(v, abi.CloseFlush, "the peer has asked, and gone")
				return nil
			}
			s.leave(v, "the player has gone")
			return nil
		}
	}
	if s.mode == modeRecord {
		p.recordEvent(s, e, v)
		return nil
	}
	p.playEvent(s, e, v)
	return nil
}

// opened: a connection whose first line is RTSP.
func (s *state) opened(e *abi.ConnOpen, v *sdk.Verdicts) {
	s.secure = e.TLS != 0
	s.local = append(s.local[:0], hostOf(e.Local)...)
	s.seen = e.MonoNano
	s.isOpen = true
	v.SetTimer(tickTimer, silence)
}

// hostOf cuts the port, and the brackets of IPv6.
func hostOf(address []byte) []byte {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == ':' {
			address = address[:i]
			break
		}
	}
	if n := len(address); n > 1 && address[0] == '[' {
		address = address[1 : n-1]
	}
	return address
}

// timer: the next step of a pending request, or a look at the clock.
func (p *plugin) timer(s *state, e *abi.Timer, v *sdk.Verdicts) {
	switch {
	case e.ID == tickTimer:
		p.tick(s, e, v)
	case e.ID == startTimer:
		s.play.start(v)
	case e.ID == tracksTimer:
		s.tracksLate(v)
	case s.pending.kind >= kindRecord:
		p.recordStep(s, v, &e.Head)
	case s.pending.kind != kindNone:
		p.step(s, v)
	}
}
