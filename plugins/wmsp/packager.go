package main

import (
	"errors"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// pack makes the header of the rendition: one $H chunk, never split, since ffmpeg
// fails on two (wire digest §1.6).
func pack(e *abi.Package, v *sdk.Verdicts) error {
	size, _, err := asf.HeaderSize(e.Header)
	if err == nil && size == 0 {
		err = asf.ErrTruncated
	}
	if err != nil {
		return sdk.Fail(codeOf(err), "package "+rendition+": header of "+source+": "+err.Error())
	}
	p := v.Pieces()
	h := headerChunkHead(size)
	p.Literal(h[:])
	p.SourceHeader()
	v.Header(p)
	return nil
}

// packets puts a $D head before each packet; its bytes stay where the host holds them.
func packets(e *abi.Packets, v *sdk.Verdicts) error {
	for n := range e.Packets.All() {
		if n.Size > asf.MaxPacketSize {
			return sdk.Fail(abi.ETOOBIG, "package "+rendition+": packet of "+strconv.FormatUint(uint64(n.Size), 10)+" bytes")
		}
		h := asf.DataChunkHead(uint32(n.Sequence), int(n.Size))
		p := v.Pieces()
		p.Literal(h[:])
		p.PacketBytes(n.Sequence, 0, int(n.Size))
		v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags, Track: n.Track, Tag: n.Tag}, p)
	}
	return nil
}

// headerChunkHead builds what precedes an ASF header in a $H chunk (MS-WMSP 2.2.3.5):
// LocationId 0, Incarnation 0, first and last fragment.
func headerChunkHead(size int) [asf.ChunkHeadSize]byte {
	h := asf.DataChunkHead(0, size)
	h[1], h[9] = byte(asf.ChunkHeader), asf.AFSingle
	return h
}

func codeOf(err error) abi.Code {
	if errors.Is(err, asf.ErrTooLarge) {
		return abi.ETOOBIG
	}
	return abi.EINVAL
}
