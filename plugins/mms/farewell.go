package main

import (
	"bytes"

	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

const (
	nameAt = 52 // in Connect: who the player is

	// libavformat's players, ffmpeg and mpv, all bear this in their names.
	libavformat = "{7E667F5D-A661-495E-A512-F55686DDA178}"

	// mostFarewell bounds the packet of a farewell, in bytes: below what may wait for a peer
	// (spec.md 6.5).
	mostFarewell = 15 << 10
)

// isDeaf tells whether a player, by its Connect, is one that no message ends. libavformat
// (59, of ffmpeg 5.1) takes EndOfStream, as any message while it waits for packets, and the
// connection's close for nothing read, and reads again: for ever, the latter without a pause.
// A packet that is larger than the header allows is an error to it: mpv ends by that. ffmpeg
// goes over it; nothing that a server may say ends that.
func isDeaf(m *message) bool {
	var room [maxMessage]byte
	return bytes.Contains(m.appendText(room[:0], nameAt), []byte(libavformat))
}

// sayFarewell sends a deaf player, behind the last EndOfStream, an empty packet of one byte
// more than a packet has.
func (s *session) sayFarewell(v *sdk.Verdicts) {
	size := int(s.packetSize) + 1
	if !s.isDeaf || s.packetSize == 0 || size > mostFarewell {
		return
	}
	h := asf.MMSDataHead(0, mediaIncarnation, 0, size)
	p := v.Pieces()
	p.Literal(append(h[:], make([]byte, size)...))
	v.Write(player, p)
}
