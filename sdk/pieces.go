package sdk

import "github.com/weir-media/weir/abi/v1"

// Pieces builds a payload: literals, and marks of bytes that the host already holds.
type Pieces struct{ list abi.Pieces }

// Literal adds bytes, copied.
func (p *Pieces) Literal(b []byte) { p.list.Add(abi.Piece{Kind: abi.PieceLiteral, Bytes: b}) }

// Text adds a string's bytes.
func (p *Pieces) Text(s string) { p.Literal(Bytes(s)) }

// Input marks n bytes of the event's connection at its absolute offset.
func (p *Pieces) Input(offset uint64, n int) {
	p.list.Add(abi.Piece{Kind: abi.PieceInput, Offset: offset, Length: uint32(n)})
}

// SourceHeader marks the header of the rendition that a packager reads.
func (p *Pieces) SourceHeader() { p.list.Add(abi.Piece{Kind: abi.PieceHeader}) }

// RenditionHeader marks the header of a point's rendition.
func (p *Pieces) RenditionHeader(point []byte, rendition string) {
	name := make([]byte, 0, len(point)+1+len(rendition))
	name = append(append(append(name, point...), 0), rendition...)
	p.list.Add(abi.Piece{Kind: abi.PieceHeader, Bytes: name})
}

// PacketBytes marks n bytes at offset of the source packet with that sequence; n 0
// means to its end.
func (p *Pieces) PacketBytes(sequence uint64, offset, n int) {
	p.list.Add(abi.Piece{Kind: abi.PiecePacket, Packet: sequence, Offset: uint64(offset), Length: uint32(n)})
}

// Fields builds a list of header fields. Values with CR, LF or NUL are refused by
// the host.
type Fields struct{ list abi.Fields }

// Add appends a field.
func (f *Fields) Add(name, value string) { f.list.Add(Bytes(name), Bytes(value)) }
