package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

const incarnationAt = 68 // in StartPlaying

// start begins to play (wire digest §4.2, StartPlaying). Where a player wants to begin means nothing in
// a live stream.
func (s *session) start(m *message, v *sdk.Verdicts) {
	s.incarnation = m.u32(incarnationAt)
	switch {
	case s.phase != opened:
		s.refuseStart(v, errState)
	case s.sent != s.current || s.turning:
		s.refuseStart(v, errMismatch)
	default:
		s.phase = starting
	}
}

// refuseStart ends the attempt: no player has another.
func (s *session) refuseStart(v *sdk.Verdicts, why uint32) {
	s.send(v, reportStarted, why, s.incarnation)
	s.close(v, abi.CloseFlush, "not to be played")
}

// play attaches the player. The end, and a change of the header, are told by the host at
// the packet after which they are.
func (p *plugin) play(s *session, v *sdk.Verdicts) {
	r := s.begin(reportStarted)
	r.u32(succeeded, s.incarnation)
	r.zeros(24) // tigerFileId and unused
	s.write(v, &r)
	next, done := begin(reportEnd, s.sequence), begin(reportEnd, s.sequence)
	next.u32(another, s.incarnation)
	done.u32(succeeded, s.incarnation)
	s.sequence++
	v.Attach(abi.Attach{
		Conn:        player,
		Point:       s.point,
		Rendition:   sdk.Bytes(rendition),
		Mode:        p.startMode(),
		Back:        p.fastStart,
		OnLag:       abi.LagSkip,
		OnChange:    abi.AfterEvent,
		ChangeBytes: next.bytes(),
		OnEnd:       abi.AfterEvent,
		EndBytes:    done.bytes(),
	}, nil)
	v.SetTimer(clock, pingEvery)
	s.phase, s.over = playing, false
	s.finish(v)
}

func (p *plugin) startMode() abi.StartMode {
	if p.fastStart > 0 {
		return abi.StartBurst
	}
	return abi.StartKey
}

// stopPlaying takes the player off the stream. A player that plays nothing is told that it
// has ended, too: VLC stops before it starts again, whether it has paused or not.
func (s *session) stopPlaying(v *sdk.Verdicts) {
	if s.phase != playing {
		s.send(v, reportEnd, succeeded, s.incarnation)
		return
	}
	v.Detach(player)
	s.phase = stopping
}

// detached hears that nothing is sent any more. What the player was sent last has told it
// of an end or a change; a deaf one follows neither.
func (s *session) detached(e *abi.Detached, v *sdk.Verdicts) {
	switch reason := sdk.String(e.Reason); {
	case s.phase == stopping && reason == "detached":
		s.rest(v)
		s.send(v, reportEnd, succeeded, s.incarnation)
		s.finish(v)
	case s.phase == playing && reason == "source_end":
		s.rest(v)
		s.sayFarewell(v)
		s.over = true
	case s.phase == playing && reason == "header_change":
		s.rest(v)
		s.sayFarewell(v)
		s.turning = true
		v.Watch(s.point)
	}
}

// rest is where a player stays that plays nothing.
func (s *session) rest(v *sdk.Verdicts) {
	s.phase, s.quiet = opened, 0
	v.SetTimer(clock, patience)
}
