package main

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// The renditions.
const source, rendition = "asf", "msb"

const (
	headSize = 8 // bytes before the ASF packet (MS-MSB 2.2.4)
	// maxPacket is what UDP over IPv4 leaves of a datagram (RFC 768, RFC 791).
	maxPacket = 65_507 - headSize
	// formats is how many numbers of formats there are (MS-MSB 2.2.4: eleven bits of
	// wStreamID); 0 is left out.
	formats = 1<<11 - 1
)

// plugin is an instance: its configuration.
type plugin struct{ bufferMS uint32 }

// defaultBufferMS is how long players gather before they show (wire digest §6.2).
const defaultBufferMS = 5000

func newPlugin() *sdk.Plugin {
	p := &plugin{bufferMS: defaultBufferMS}
	return sdk.New(p.open, p.event)
}

func (p *plugin) open(e *abi.Open) error {
	p.bufferMS = uint32(sdk.Config(e.Config).Int("buffer_ms", defaultBufferMS))
	return nil
}

func (p *plugin) event(s *packing, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Package:
		return s.begin(e, v)
	case *abi.Packets:
		return s.packets(e, v)
	case *abi.DocumentRequest:
		return p.document(e, v)
	case *abi.Stop:
		v.Close(0, abi.CloseFlush, "stopped")
	}
	return nil
}

// packing is the state of a packager's session; others have none.
type packing struct{ format uint16 }

// AppendState implements sdk.State.
func (s *packing) AppendState(b []byte) []byte {
	if s.format == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint16(b, s.format)
}

// ReadState implements sdk.State.
func (s *packing) ReadState(blob []byte) error {
	if len(blob) < 2 {
		return abi.EINVAL
	}
	s.format = binary.LittleEndian.Uint16(blob)
	if s.format == 0 || s.format > formats {
		return abi.EINVAL
	}
	return nil
}

// formatOf numbers the header of a generation: two that follow one another differ, and the
// .nsc tells of the one that the datagrams say.
func formatOf(generation uint64) uint16 { return 1 + uint16((generation-1)%formats) }

// begin takes a header, which goes into the .nsc and not into the stream.
func (s *packing) begin(e *abi.Package, v *sdk.Verdicts) error {
	size, need, err := asf.HeaderSize(e.Header)
	if err == nil && (size == 0 || need > 0) {
		err = asf.ErrTruncated
	}
	if err != nil {
		code := abi.EINVAL
		if errors.Is(err, asf.ErrTooLarge) {
			code = abi.ETOOBIG
		}
		return sdk.Fail(code, "package "+rendition+": header of "+source+": "+err.Error())
	}
	s.format = formatOf(e.Generation)
	v.Header(v.Pieces())
	return nil
}

// packets makes a datagram of each packet. Its number is the packet's own, so that it goes on
// whichever instance writes it.
func (s *packing) packets(e *abi.Packets, v *sdk.Verdicts) error {
	for n := range e.Packets.All() {
		if n.Size > maxPacket {
			return sdk.Fail(abi.ETOOBIG, "package "+rendition+": packet of "+strconv.FormatUint(uint64(n.Size), 10)+" bytes; give the encoder a smaller packet size, 1400 or less")
		}
		h := head(uint32(n.Sequence), s.format, n.Size)
		p := v.Pieces()
		p.Literal(h[:])
		p.PacketBytes(n.Sequence, 0, int(n.Size))
		v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags, Track: n.Track, Tag: n.Tag}, p)
	}
	return nil
}

// head is what precedes an ASF packet of size bytes (MS-MSB 2.2.4, little-endian): number,
// format, and the length of the whole.
func head(id uint32, format uint16, size uint32) (h [headSize]byte) {
	le := binary.LittleEndian
	le.PutUint32(h[:], id)
	le.PutUint16(h[4:], format)
	le.PutUint16(h[6:], uint16(headSize+size))
	return h
}
