package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

const (
	rendition = "mmst"
	source    = "asf"

	// player is the connection of a session.
	player = 1

	// defaultFastStartMs is the preroll that Windows Media encoders and ffmpeg write
	// into the header (wire digest §8.3): with as much at hand a player starts at once.
	defaultFastStartMs = 3000
	nanosPerMilli      = 1_000_000
)

// maxMessages bounds what one DATA may ask for, so that the answers find room in one
// frame beside others' (chosen); the host delivers the rest at once.
const maxMessages = 16

// plugin is the configuration of one instance.
type plugin struct {
	fastStart int64 // ns
}

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return sdk.New[session](p.open, p.event)
}

func (p *plugin) open(o *abi.Open) error {
	p.fastStart = sdk.Config(o.Config).Int("fast_start_ms", defaultFastStartMs) * nanosPerMilli
	return nil
}

func (p *plugin) event(s *session, e abi.Record, v *sdk.Verdicts) error {
	if s.phase == closed {
		return nil
	}
	switch e := e.(type) {
	case *abi.ConnOpen:
		v.SetTimer(clock, patience)
	case *abi.Data:
		return p.data(s, e, v)
	case *abi.Point:
		s.changed(&e.Summary, v)
	case *abi.Detached:
		s.detached(e, v)
	case *abi.Timer:
		s.tick(v)
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Stop:
		s.stop(v)
	case *abi.Package:
		return pack(e, v)
	case *abi.Packets:
		return packets(e, v)
	}
	return nil
}

// data reads messages until one has to wait for the host.
func (p *plugin) data(s *session, e *abi.Data, v *sdk.Verdicts) error {
	switch s.phase {
	case asking:
		s.phase = opening
		v.Watch(s.point)
		return nil
	case starting:
		p.play(s, v)
		return nil
	case opening, stopping:
		return nil // until the host has answered
	}
	at := 0
	for range maxMessages {
		m, need, err := parse(e.Bytes[at:])
		if err != nil {
			return sdk.Fail(abi.EPROTO, "the player sent "+err.Error())
		}
		if need > 0 {
			if e.Flags&abi.DataLast == 0 {
				v.Need(e.Conn, need)
			}
			break
		}
		if !s.over {
			s.quiet = 0
		}
		end := e.Offset + uint64(at+len(m.b))
		if err := s.message(&m, v); err != nil {
			return err
		}
		switch s.phase {
		case closed:
			return nil
		case asking, starting: // half consumed, so that the rest comes again at once
			s.hold = end
			v.Consume(e.Conn, e.Offset+uint64(at)+1)
			return nil
		case stopping:
			s.hold = end
			v.Consume(e.Conn, e.Offset+uint64(at))
			return nil
		}
		at += len(m.b)
	}
	if at > 0 {
		v.Consume(e.Conn, e.Offset+uint64(at))
	}
	return nil
}

// message answers one message, or begins to.
func (s *session) message(m *message, v *sdk.Verdicts) error {
	if s.phase == fresh && m.kind != viewerConnect {
		return sdk.Fail(abi.EPROTO, "the player sent MMS message "+strconv.Itoa(int(m.kind))+" before it has said who it is")
	}
	switch m.kind {
	case viewerConnect:
		s.isDeaf = isDeaf(m)
		s.connect(v)
	case funnelInfo:
		s.tellFunnelInfo(v)
	case connectFunnel:
		s.connectFunnel(m, v)
	case openFile:
		s.open(m, v)
	case readBlock:
		s.readBlock(v)
	case streamSwitch:
		s.send(v, reportStreamSwitch, succeeded)
	case startPlaying:
		s.start(m, v)
	case stopPlaying:
		s.stopPlaying(v)
	case closeFile:
		s.close(v, abi.CloseFlush, "closed by the player")
	case viewerPong:
	default: // logs, and what later players know
		v.Metric("messages_not_known", 1)
	}
	return nil
}

// finish lets go of the message that was under way; what follows it is delivered next.
func (s *session) finish(v *sdk.Verdicts) {
	if s.hold > 0 {
		v.Consume(player, s.hold)
		s.hold = 0
	}
}

func (s *session) close(v *sdk.Verdicts, mode abi.CloseMode, reason string) {
	s.phase = closed
	v.Close(0, mode, reason)
}

// The timer of a session.
const (
	clock = 1 // its number

	// patience is between two looks at a player that plays nothing: chosen, above what a
	// player takes between two messages.
	patience = 15_000_000_000
	// pingEvery keeps what lies between from forgetting a connection on which nothing is
	// sent, since the point is silent. Chosen: routers remember for minutes.
	pingEvery = 60_000_000_000

	// For how many looks a player may be silent before it has a file open, and after
	// that, when it may be paused, but is pinged. Chosen. At the end of a stream pings do
	// not count: libavformat (59, of ffmpeg 5.1) answers them, and waits for packets, for
	// ever, and holds the place of another.
	strangerQuiet = 1
	pausedQuiet   = 4
)

// tick looks at a player. One that plays is the host's to watch: what it does not take
// ends it.
func (s *session) tick(v *sdk.Verdicts) {
	if s.phase == playing {
		s.ping(v)
		v.SetTimer(clock, pingEvery)
		return
	}
	most := uint8(strangerQuiet)
	if s.phase == opened {
		most = pausedQuiet
	}
	if s.quiet++; s.quiet > most {
		s.close(v, abi.CloseNow, "the player says nothing")
		return
	}
	if s.phase == opened {
		s.ping(v)
	}
	v.SetTimer(clock, patience)
}

// ping asks for an answer (wire digest §4.2). ffmpeg takes a first field other than 0 for
// an error.
func (s *session) ping(v *sdk.Verdicts) { s.send(v, serverPing, succeeded, 0) }

// stop tells a player in its own words that nothing follows.
func (s *session) stop(v *sdk.Verdicts) {
	switch s.phase {
	case playing, stopping:
		s.send(v, reportEnd, succeeded, s.incarnation)
		s.sayFarewell(v)
	case asking, opening:
		s.refuseFile(v, errStopped)
	case starting:
		s.send(v, reportStarted, errStopped, s.incarnation)
	}
	s.close(v, abi.CloseFlush, "stopped")
}
