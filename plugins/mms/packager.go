package main

import (
	"errors"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// dataHead is the size of a data packet's head (MS-MMSP 2.2.2), in bytes.
const dataHead = 8

// The incarnations by which players tell packets of the header, and of what they play now,
// from what is still under way of before. A rendition is the same for all, so that these
// are the ones that every player known gives to its first: ReadBlock asks for 2 and
// StartPlaying for 4 in ffmpeg, VLC, mplayer and libmms (wire digest §4.2).
const (
	headerIncarnation = 2
	mediaIncarnation  = 4
)

// pack makes the header of the rendition: one data packet, never split, which is what all
// players take (wire digest §4.2).
func pack(e *abi.Package, v *sdk.Verdicts) error {
	size, _, err := asf.HeaderSize(e.Header)
	if err == nil && size == 0 {
		err = asf.ErrTruncated
	}
	if err != nil {
		return sdk.Fail(codeOf(err), "package "+rendition+": header of "+source+": "+err.Error())
	}
	p := v.Pieces()
	h := asf.MMSDataHead(0, headerIncarnation, asf.AFSingle, size)
	p.Literal(h[:])
	p.SourceHeader()
	v.Header(p)
	return nil
}

// packets puts a head before each packet; its bytes stay where the host holds them. The
// low byte of the number serves as the running counter (MS-MMSP 3.2.5.11.1).
func packets(e *abi.Packets, v *sdk.Verdicts) error {
	for n := range e.Packets.All() {
		if n.Size > asf.MaxPacketSize {
			return sdk.Fail(abi.ETOOBIG, "package "+rendition+": packet of "+strconv.FormatUint(uint64(n.Size), 10)+" bytes")
		}
		h := asf.MMSDataHead(uint32(n.Sequence), mediaIncarnation, uint8(n.Sequence), int(n.Size))
		p := v.Pieces()
		p.Literal(h[:])
		p.PacketBytes(n.Sequence, 0, int(n.Size))
		v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags, Track: n.Track, Tag: n.Tag}, p)
	}
	return nil
}

func codeOf(err error) abi.Code {
	if errors.Is(err, asf.ErrTooLarge) {
		return abi.ETOOBIG
	}
	return abi.EINVAL
}
