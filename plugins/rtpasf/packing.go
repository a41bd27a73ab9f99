package main

import (
	"encoding/binary"
	"errors"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// The renditions.
const source, rendition = "asf", "rtp-asf"

// packing is a packager's memory. The zero value stands before PACKAGE.
type packing struct {
	ssrc     uint32 // never 0 once begun
	packets  uint32 // sent so far, RTP
	octets   uint32 // likewise, of payload
	sequence uint16 // of the next RTP packet
	size     uint16 // of an ASF packet as the header says it, bytes
	reported bool
	report   int64 // when the last sender report went out, on the timeline, ns
}

// plugin holds one instance's scratch.
type plugin struct {
	packet asf.Packet
	head   []byte // what precedes bytes of an ASF packet
}

func newPlugin() *sdk.Plugin {
	p := new(plugin)
	return sdk.New(nil, p.event)
}

func (p *plugin) event(k *packing, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Package:
		return k.begin(e, v)
	case *abi.Packets:
		p.packets(k, e, v)
	}
	return nil
}

// begin takes a header. What was numbered goes on.
func (k *packing) begin(e *abi.Package, v *sdk.Verdicts) error {
	h, err := asf.ParseHeader(e.Header)
	if err != nil {
		code := abi.EINVAL
		if errors.Is(err, asf.ErrTooLarge) {
			code = abi.ETOOBIG
		}
		return sdk.Fail(code, "package "+rendition+": header of "+source+": "+err.Error())
	}
	if k.ssrc == 0 {
		le := binary.LittleEndian
		k.ssrc = max(1, le.Uint32(e.Entropy[:]))
		k.sequence = le.Uint16(e.Entropy[4:])
	}
	k.size = uint16(h.PacketSize)
	p := v.Pieces()
	p.Literal(k.describe(e.Header, &h))
	v.Header(p)
	return nil
}

const packingSize = 3*4 + 2*2 + 1 + 8 // bytes

// AppendState packs the numbers in the order of the fields, little-endian.
func (k *packing) AppendState(b []byte) []byte {
	if k.ssrc == 0 {
		return b
	}
	le := binary.LittleEndian
	for _, n := range [...]uint32{k.ssrc, k.packets, k.octets} {
		b = le.AppendUint32(b, n)
	}
	b = le.AppendUint16(le.AppendUint16(b, k.sequence), k.size)
	reported := byte(0)
	if k.reported {
		reported = 1
	}
	return le.AppendUint64(append(b, reported), uint64(k.report))
}

// ReadState unpacks what AppendState packed.
func (k *packing) ReadState(b []byte) error {
	if len(b) != packingSize || b[16] > 1 {
		return abi.EINVAL
	}
	le := binary.LittleEndian
	*k = packing{ssrc: le.Uint32(b), packets: le.Uint32(b[4:]), octets: le.Uint32(b[8:]), sequence: le.Uint16(b[12:]), size: le.Uint16(b[14:]),
		reported: b[16] == 1, report: int64(le.Uint64(b[17:]))}
	if k.ssrc == 0 || k.size < asf.MinPacketSize || k.size > asf.MaxPacketSize {
		return abi.EINVAL
	}
	return nil
}
