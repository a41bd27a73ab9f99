package main

import (
	"bytes"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/httptext"
)

const (
	// mediaLines describe the one stream (wire digest §5.2; RFC 3551 6).
	mediaLines = "m=video 0 RTP/AVP 33\r\na=rtpmap:33 MP2T/90000\r\n"
	ssrcLine   = "a=ssrc:" // RFC 5576 4.1
	// track is the control URL of the one stream, below the presentation's; those of tracks
	// have another figure.
	track = "trackID=0"
)

// describePoint makes the SDP of a point (RFC 8866, RFC 2326 C.1).
func (s *state) describePoint(point *abi.PointSummary, ssrc uint32) []byte {
	return append(s.describeSession(point, ssrc), mediaLines+"a=control:"+track+"\r\n"...)
}

// describeSession makes what stands before the media.
func (s *state) describeSession(point *abi.PointSummary, ssrc uint32) []byte {
	const usual = 384 // bytes (chosen)
	family, local := "IP4 ", string(s.local)
	if bytes.IndexByte(s.local, ':') >= 0 {
		family = "IP6 "
		local, _, _ = cutZone(local)
	}
	b := append(make([]byte, 0, usual), "v=0\r\no=- "...)
	b = strconv.AppendUint(b, uint64(ssrc), 10)
	b = strconv.AppendUint(append(b, ' '), point.SourceGeneration, 10)
	b = append(append(append(b, " IN "...), family...), local...)
	b = append(b, "\r\ns="...)
	for _, c := range point.Name {
		if c < ' ' || c == 0x7F {
			c = '?'
		}
		b = append(b, c)
	}
	b = append(b, "\r\nc=IN "...)
	if family == "IP6 " {
		b = append(b, "IP6 ::"...)
	} else {
		b = append(b, "IP4 0.0.0.0"...)
	}
	return append(b, "\r\nt=0 0\r\na=tool:weir\r\na=control:*\r\na=range:npt=now-\r\n"...)
}

func cutZone(address string) (before, zone string, found bool) {
	for i := range len(address) {
		if address[i] == '%' {
			return address[:i], address[i+1:], true
		}
	}
	return address, "", false
}

// ssrcOf reads the SSRC in the header of one of this plugin's renditions; 0: there is none.
func ssrcOf(header []byte) uint32 {
	for rest := header; ; {
		line, tail, ok := httptext.NextLine(rest)
		if !ok {
			return 0
		}
		if digits, is := bytes.CutPrefix(line, []byte(ssrcLine)); is {
			n, _, _ := httptext.LeadingUint(digits)
			return uint32(n)
		}
		rest = tail
	}
}
