package main

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/httptext"
)

const (
	pathAt = 56 // in OpenFile
	fileID = 1  // VLC takes 1 or 2 only (wire digest §4.2)

	// broadcast is the attribute by which players know a live stream, which cannot be
	// sought in.
	broadcast = 0x02000000
)

// open begins to open the file that a player names (wire digest §4.2, OpenFile).
func (s *session) open(m *message, v *sdk.Verdicts) {
	if s.phase == playing {
		s.refuseFile(v, errState)
		return
	}
	var room [maxMessage]byte
	s.point = append(s.point[:0], pointOf(m.appendText(room[:0], pathAt))...)
	if len(s.point) == 0 || len(s.point) > maxName {
		s.phase = connected
		s.refuseFile(v, errNotFound)
		return
	}
	s.phase, s.over = asking, false
}

// maxName is the longest name of a point, in bytes: chosen, above what can be configured.
const maxName = 1024

// pointOf gives the name of the point in the path of a URL, which is changed. Most players
// send the path without what URLs need to be escaped, some as it stands.
func pointOf(path []byte) []byte {
	path = bytes.TrimLeft(path, "/")
	path, _, _ = bytes.Cut(path, []byte("?"))
	return httptext.Unescape(path)
}

// changed hears of the point: the first time that a file is opened, and whenever the
// point changes.
func (s *session) changed(p *abi.PointSummary, v *sdk.Verdicts) {
	if !bytes.Equal(p.Name, s.point) {
		return // the player has opened another meanwhile
	}
	f, no := judge(p)
	s.current = f.mark
	switch {
	case s.phase == opening:
		s.phase = opened
		if no != succeeded {
			s.phase = connected
			s.refuseFile(v, no)
		} else {
			s.sent = s.current
			s.tellFile(v, f)
		}
		s.finish(v)
	case s.turning:
		s.turning = false
		if f.mark == 0 {
			s.close(v, abi.CloseFlush, "nothing follows")
			return
		}
		s.tellChange(v, f)
	}
}

// tellFile describes a live stream (wire digest §4.2, ReportOpenFile). VLC wants the
// sizes of header and packets, and counts the header's bytes.
func (s *session) tellFile(v *sdk.Verdicts, f facts) {
	s.packetSize = f.packetSize
	r := s.begin(reportOpenFile)
	r.u32(succeeded, 0, fileID, 0, 0, broadcast)
	r.u64(0)    // duration
	r.u32(0)    // blocks
	r.zeros(16) // unused
	r.u32(f.packetSize)
	r.u64(0) // packets
	r.u32(f.bitRate, f.headerSize)
	r.zeros(36) // unused
	s.write(v, &r)
}

// refuseFile says that there is no file. VLC looks only whether its number is one.
func (s *session) refuseFile(v *sdk.Verdicts, why uint32) {
	r := s.begin(reportOpenFile)
	r.u32(why)
	r.zeros(104)
	s.write(v, &r)
}

// readBlock sends the header: a data packet of its own, which is the header of the
// rendition (wire digest §4.2, ReadBlock). A player that goes on after a refusal, as mplayer does,
// would wait for it for ever.
func (s *session) readBlock(v *sdk.Verdicts) {
	if s.phase != opened && s.phase != playing {
		s.send(v, reportReadBlock, errState, 0, 0)
		s.close(v, abi.CloseFlush, "the player reads a file that is not open")
		return
	}
	r := s.begin(reportReadBlock)
	r.u32(succeeded, headerIncarnation, 0)
	s.writeWithHeader(v, &r)
}

// tellChange says that what follows has another header, and sends it (wire digest §4.2, StreamChange).
// The player answers by StreamSwitch and StartPlaying.
func (s *session) tellChange(v *sdk.Verdicts, f facts) {
	s.packetSize = f.packetSize
	r := s.begin(reportStreamChange)
	r.u32(succeeded, headerIncarnation, f.packetSize, f.headerSize, f.bitRate, 0)
	s.writeWithHeader(v, &r)
}

func (s *session) writeWithHeader(v *sdk.Verdicts, r *reply) {
	p := v.Pieces()
	p.Literal(r.bytes())
	p.RenditionHeader(s.point, rendition)
	v.Write(player, p)
	s.sent = s.current
}

// facts are what a player is told of a header before it has it.
type facts struct {
	packetSize, headerSize, bitRate uint32
	mark                            uint64 // tells one header from another; never 0
}

// factsOf reads the header of the rendition, which has the head of a data packet before it.
func factsOf(header []byte) (facts, bool) {
	if len(header) < dataHead {
		return facts{}, false
	}
	h, err := asf.ParseHeader(header[dataHead:])
	if err != nil {
		return facts{}, false
	}
	return facts{uint32(h.PacketSize), uint32(len(header) - dataHead), h.MaxBitrate, markOf(header)}, true
}

// markOf is the FNV-1a hash of a header.
func markOf(header []byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	n := uint64(offset)
	for _, c := range header {
		n = (n ^ uint64(c)) * prime
	}
	return max(n, 1)
}
