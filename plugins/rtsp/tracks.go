package main

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
	"github.com/weir-media/weir/sdk/sdp"
)

// A point's pictures and its sound as RTP streams of their own are made by another plugin,
// rtptracks, as interleaved frames; its rendition's header describes them. They are asked
// for by the query of the URL that is described, and from then on by their control URLs.

const (
	trackFrames = "rtp-tracks" // the rendition
	tracks      = 2            // at most: pictures, then sound
)

// trackClock is what is known of a track by the rendition's header.
type trackClock struct {
	ssrc   uint32 // 0: there is no such track
	offset uint32 // timestamp of the timeline's beginning
	rate   uint32 // Hz
}

// trackPlay is what is kept of a player of tracks.
type trackPlay struct {
	chosen  uint8 // bits of those that were set up; 0: the transport stream as a whole
	setting uint8 // number of the one that SETUP is about; 0: none
	before  uint8 // what chosen was before the SETUP that is pending
	clocks  [tracks]trackClock
}

// wantsTracks tells which payload a URL asks for: its query says "tracks" or "ts", else
// the configuration counts.
func (p *plugin) wantsTracks(uri []byte) bool {
	_, query := httptext.SplitTarget(uri)
	for len(query) > 0 {
		word, rest, _ := bytes.Cut(query, []byte("&"))
		word, _, _ = bytes.Cut(word, []byte("=")) // some players write tracks=
		switch sdk.String(word) {
		case "tracks":
			return true
		case "ts":
			return false
		}
		query = rest
	}
	return p.tracks
}

// cutTrack takes the track off a path. Number 0 is the transport stream as a whole, as it
// is without a track.
func cutTrack(path []byte) (rest []byte, number int) {
	at := len(path) - len(track)
	if at < 1 || path[at-1] != '/' || !bytes.Equal(path[at:at+len(track)-1], []byte(track[:len(track)-1])) {
		return path, 0
	}
	if number = int(path[len(path)-1]) - '0'; number < 0 || number > tracks {
		return path, 0
	}
	return bytes.TrimRight(path[:at], "/"), number
}

// trackOf gives the number of the track that a URL names.
func trackOf(uri []byte) int {
	path, _ := httptext.SplitTarget(uri)
	_, number := cutTrack(bytes.TrimRight(path, "/"))
	return number
}

// clocksOf reads the header of the rendition.
func clocksOf(header []byte) (clocks [tracks]trackClock) {
	var k trackClock
	number := uint64(0)
	put := func() {
		if number >= 1 && number <= tracks {
			clocks[number-1] = k
		}
	}
	for rest := header; ; {
		line, tail, ok := httptext.NextLine(rest)
		if !ok {
			break
		}
		rest = tail
		if bytes.HasPrefix(line, []byte("m=")) {
			put()
			k, number = trackClock{}, 0
		} else if value, is := bytes.CutPrefix(line, []byte("a=control:trackID=")); is {
			number, _, _ = httptext.LeadingUint(value)
		} else if value, is := bytes.CutPrefix(line, []byte(ssrcLine)); is {
			k.ssrc = leading(value)
		} else if value, is := bytes.CutPrefix(line, []byte(offsetLine)); is {
			k.offset = leading(value)
		} else if value, is := bytes.CutPrefix(line, []byte("a=rtpmap:")); is {
			_, value, _ = bytes.Cut(value, []byte("/"))
			k.rate = leading(value)
		}
	}
	put()
	return clocks
}

// offsetLine tells a timestamp to a clock's beginning (RFC 7273 5.2).
const offsetLine = "a=mediaclk:direct="

func leading(digits []byte) uint32 {
	n, _, _ := httptext.LeadingUint(digits)
	return uint32(n)
}

// describeTracks makes the SDP of a point's tracks, or of its ASF: the rendition's header without
// what is told by SETUP and PLAY.
func (s *state) describeTracks(point *abi.PointSummary, header []byte) []byte {
	b := s.describeSession(point, ssrcOf(header))
	for rest := header; ; {
		line, tail, ok := httptext.NextLine(rest)
		if !ok {
			return b
		}
		if rest = tail; !bytes.HasPrefix(line, []byte(ssrcLine)) && !bytes.HasPrefix(line, []byte(offsetLine)) {
			b = append(append(b, line...), "\r\n"...)
		}
	}
}

// judgeTracks tells why a player cannot have a point's tracks, beside what judge says.
func judgeTracks(point *abi.PointSummary) (no refusal, ok bool) {
	name := strconv.Quote(sdk.String(point.Name))
	r, has := point.Renditions.Find(trackFrames)
	if !has {
		return refusal{status: 404, words: "nothing makes tracks of publishing point " + name + " here; without ?tracks, or with ?ts, it is one MPEG transport stream"}, false
	}
	if what, is := bytes.CutPrefix(r.Header, []byte(sdp.Carries)); is {
		return refusal{status: 404, words: "publishing point " + name + " has no H.264, AAC or MPEG audio of which tracks can be made: it carries " + string(bytes.TrimSpace(what))}, false
	}
	if !bytes.Contains(r.Header, []byte("m=")) {
		return refusal{status: 503, words: "publishing point " + name + notBegun, passes: true}, false
	}
	return refusal{}, true
}

// notBegun follows the name of a point whose rendition has no header, or none that says
// of what.
const notBegun = " has not begun yet"

// tracksPatience is how long a request waits for the tracks of a point that has just begun,
// ns: rtptracks describes them at the latest when 2 s of the stream have come (chosen: a
// second more than an encoder in time takes for that).
const tracksPatience = 3 * nanosPerSecond

// awaitTracks has the pending request wait for the point's next summary while its tracks
// are not described yet, but not for long.
func (y *play) awaitTracks(are bool, v *sdk.Verdicts) bool {
	was := y.waits&waitTracks != 0
	switch {
	case are && !was:
		y.waits |= waitTracks
		v.SetTimer(tracksTimer, tracksPatience)
	case !are && was:
		y.waits &^= waitTracks
		v.SetTimer(tracksTimer, 0)
	}
	return are
}

// tracksLate refuses the request that has waited for tracks.
func (s *state) tracksLate(v *sdk.Verdicts) {
	if s.pending.kind == kindNone || s.play.waits&waitTracks == 0 {
		return
	}
	s.play.waits &^= waitTracks
	if s.pending.kind == kindSetup {
		s.giveUp(v)
	}
	s.refuse(refusal{status: 503, words: "publishing point " + strconv.Quote(string(s.point)) + notBegun}, v)
}

// channelsOf gives the channels of a track, as the rendition has them (RFC 2326 10.12).
func channelsOf(number int) rtsp.Pair {
	first := uint16(2 * (number - 1))
	return rtsp.Pair{RTP: first, RTCP: first + 1, Set: true}
}

// playTracks answers PLAY of tracks: the packet with which the viewer begins stands for
// one moment in each (RFC 2326 12.33).
func (s *state) playTracks(e *abi.Attached, v *sdk.Verdicts) {
	const known = 1 << 32 // as rtptracks sets it
	y := &s.play
	var list []byte
	for i, k := range y.tracks.clocks {
		if e.Tag&known == 0 || y.tracks.chosen&(1<<i) == 0 || k.ssrc == 0 {
			continue
		}
		if len(list) > 0 {
			list = append(list, ',')
		}
		list = append(append(append(list, "url="...), s.base...), "trackID="...)
		list = strconv.AppendInt(list, int64(i+1), 10)
		list = strconv.AppendUint(append(list, ";seq="...), uint64(uint16(e.Tag>>(16*i))), 10)
		list = strconv.AppendUint(append(list, ";rtptime="...), uint64(k.at(e.Time)), 10)
	}
	s.playing(v, string(list))
	y.waits = waitStart
	y.start(v)
}

// at gives the timestamp of a moment on the timeline, ns.
func (k *trackClock) at(ns int64) uint32 {
	return k.offset + rtp.Ticks(ns, k.rate)
}

// byeFrames tells a player of tracks by RTCP that nothing follows.
func (x *trackPlay) byeFrames() (b []byte) {
	for i, k := range x.clocks {
		if k.ssrc != 0 {
			b = appendBye(rtsp.AppendFrame(b, uint8(2*i+1), byeSize), k.ssrc)
		}
	}
	return b
}

// trackSize is of what appendTo appends, bytes.
const trackSize = 2 + tracks*3*4

func (x *trackPlay) appendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, x.chosen|x.before<<tracks, x.setting)
	for i := range x.clocks {
		k := &x.clocks[i]
		b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, k.ssrc), k.offset), k.rate)
	}
	return b
}

// readFrom reads what appendTo appended, of which there is enough.
func (x *trackPlay) readFrom(b []byte) error {
	if b[0] >= 1<<(2*tracks) || b[1] > tracks {
		return abi.EINVAL
	}
	le := binary.LittleEndian
	x.chosen, x.before, x.setting = b[0]&(1<<tracks-1), b[0]>>tracks, b[1]
	for i := range x.clocks {
		of := b[2+12*i:]
		x.clocks[i] = trackClock{ssrc: le.Uint32(of), offset: le.Uint32(of[4:]), rate: le.Uint32(of[8:])}
	}
	return nil
}

// asked is the rendition that the pending request is about.
func (s *state) asked() string {
	switch k := s.pending.kind; {
	case s.play.isASF:
		return asfFrames
	case k == kindDescribe:
		return interleaved
	case k == kindDescribeTracks:
		return trackFrames
	}
	return s.play.rendition()
}

// find notes the tracks that the point has, and tells whether the one that is being set up
// is among them.
func (x *trackPlay) find(point *abi.PointSummary) bool {
	r, _ := point.Renditions.Find(trackFrames)
	x.clocks = clocksOf(r.Header)
	return x.clocks[x.setting-1].ssrc != 0
}
