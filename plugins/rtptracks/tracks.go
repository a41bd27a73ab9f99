package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
)

// The rendition's streams, in the order in which players learn of them.
const (
	pictures = iota
	sound
	streams
)

const (
	nanosPerSecond = 1_000_000_000
	pictureRate    = 90_000 // RFC 6184 8.2.1: the clock
)

// track is a stream that is made of an elementary stream.
type track struct {
	pid      uint16 // of the elementary stream; 0: there is none
	counter  uint8  // the next continuity counter plus one; 0: not known
	left     uint16 // bytes of the PES packet that are still to come; 0: not known
	sequence uint16 // of the next RTP packet
	ssrc     uint32
	offset   uint32 // added to timestamps (RFC 3550 5.1: random)
	packets  uint32 // sent so far
	octets   uint32 // likewise, of payload
}

// packing is a packager's memory. The zero value stands before PACKAGE.
type packing struct {
	begun   bool
	headed  bool // a header has gone out
	waiting bool // since is valid
	key     bool // viewers may begin with the next RTP packet of the main track
	jump    bool // times or content jump before the next packet
	placed  bool // anchor is valid
	barren  bool // parameters have not come in time: the header says what there is instead
	shown   uint8
	since   int64 // when parameters were first waited for, on the timeline
	anchor  int64 // wall clock of the timeline's beginning, ns
	report  int64 // when the last sender reports went out, on the timeline
	tracks  [streams]track
	carried []byte // codecs of the programme, a mpegts.Codec each
	nal     rtp.H264Packer
	frames  rtp.SoundPacker
}

// plugin holds one instance's scratch.
type plugin struct{ out output }

func newPlugin() *sdk.Plugin {
	p := new(plugin)
	return sdk.New(nil, p.event)
}

func (p *plugin) event(k *packing, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Package:
		k.begin(e, v)
	case *abi.Packets:
		p.out.packets(k, e, v)
	}
	return nil
}

// begin takes the programme tables. Streams of which they say nothing new go on.
func (k *packing) begin(e *abi.Package, v *sdk.Verdicts) {
	if !k.begun {
		le := binary.LittleEndian
		for i := range k.tracks {
			of := e.Entropy[6*i:]
			k.tracks[i] = track{ssrc: max(1, le.Uint32(of)), sequence: le.Uint16(of[4:]), offset: le.Uint32(e.Entropy[12:]) + uint32(i)<<31}
		}
		k.begun = true
	}
	var d mpegts.Demux
	for b := e.Header; len(b) >= mpegts.PacketSize; b = b[mpegts.PacketSize:] {
		d.Feed(b)
	}
	var pids [streams]uint16
	coding := rtp.NoSound
	k.carried = k.carried[:0]
	for _, s := range d.Streams() {
		k.carried = append(k.carried, byte(s.Codec))
		switch found := codingOf(&s); {
		case s.Codec == mpegts.H264 && pids[pictures] == 0:
			pids[pictures] = s.PID
		case found != rtp.NoSound && pids[sound] == 0:
			pids[sound], coding = s.PID, found
		}
	}
	was := k.shown
	if t := &k.tracks[pictures]; t.pid != pids[pictures] {
		t.pid, t.counter, k.nal = pids[pictures], 0, rtp.H264Packer{}
		k.shown &^= 1 << pictures
		k.waiting, k.barren = false, false
	}
	if t := &k.tracks[sound]; t.pid != pids[sound] || k.frames.Coding != coding {
		t.pid, t.counter, t.left, k.frames = pids[sound], 0, 0, rtp.SoundPacker{Coding: coding}
		k.shown &^= 1 << sound
		k.waiting, k.barren = false, false
	}
	k.headed = k.shown != 0
	switch {
	case !k.headed:
		k.announce(v)
	case k.shown != was: // the other one goes on alone until more is known
		p := v.Pieces()
		p.Literal(k.appendHeader(nil))
		v.Header(p)
	}
}

// codingOf tells how an elementary stream of sound is to be read. AAC with a LATM head
// (type 11) is not.
func codingOf(s *mpegts.Stream) rtp.SoundCoding {
	const adts = 0x0F // ISO 13818-1 table 2-34
	switch {
	case s.Type == adts:
		return rtp.ADTS
	case s.Codec == mpegts.MPEGAudio:
		return rtp.MPEGAudio
	}
	return rtp.NoSound
}

// gap notes a packet of the track, and tells whether some are missing before it (ISO
// 13818-1 2.4.3.3). Not fresh: it is a repetition.
func (t *track) gap(e *mpegts.Elementary) (missing, fresh bool) {
	was := t.counter
	t.counter = (e.Counter+1)&15 + 1
	switch {
	case was == 0 || e.Jump:
		return false, true
	case was == e.Counter+1:
		return false, true
	case was == t.counter:
		return false, false
	}
	return true, true
}

// isKnown tells whether all is known that a description says of a track.
func (k *packing) isKnown(i int) bool {
	if i == pictures {
		return len(k.nal.Params()) > 0
	}
	return k.frames.Rate() > 0
}

// isBarren tells whether there is nothing of which tracks can be made, as far as is known.
func (k *packing) isBarren() bool {
	return k.barren || k.tracks[pictures].pid|k.tracks[sound].pid == 0
}

// isPatient tells whether parameters may still come in time.
func (k *packing) isPatient(dts int64) bool {
	waited := dts - k.since
	return waited >= 0 && waited < patience
}

// main is the track with which viewers begin.
func (k *packing) main() int {
	if k.shown&(1<<pictures) != 0 {
		return pictures
	}
	return sound
}

// rate is a track's clock, Hz.
func (k *packing) rate(i int) uint32 {
	if i == pictures {
		return pictureRate
	}
	return k.frames.Rate()
}

// ticks converts ns to ticks of 90 kHz.
func ticks(ns int64) int64 { return ns/100_000*9 + ns%100_000*9/100_000 }
