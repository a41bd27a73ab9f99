package asf

// Layout is how a byte stream carries media.
type Layout uint8

// Layouts. The last four are other containers that arrive on the same paths.
const (
	LayoutUnknown Layout = iota
	FramedMMS            // $H $D $E chunks whose $H and $D have an 8-byte MMS head (MS-WMSP 2.2.3)
	FramedPush           // the same chunks without that head (MS-WMHTTP 2.2.3)
	Plain                // ASF as in a file
	TS                   // MPEG transport stream
	Ogg
	WebM // or any Matroska
	FLV
)

var layoutNames = [...]string{"unknown", "asf-framed", "asf-push", "asf", "mpegts", "ogg", "webm", "flv"}

// String names the layout.
func (l Layout) String() string {
	if int(l) < len(layoutNames) {
		return layoutNames[l]
	}
	return layoutNames[0]
}

// maxSniff bounds how far Sniff looks for a $H behind other chunks: chosen.
const maxSniff = 4096

// Sniff tells the layout of a stream by its first bytes. While need is not 0 it is
// undecided and wants that many more bytes; LayoutUnknown with need 0 is final. Short
// $M, $P, $T and $C chunks before the first $H, as a Windows Media server may send
// them, are looked past.
func Sniff(b []byte) (l Layout, need int) {
	if len(b) == 0 {
		return LayoutUnknown, 1
	}
	switch b[0] {
	case 0x24, 0xA4:
		return sniffChunks(b)
	case guidHeader[0]:
		return sniffMagic(b, string(guidHeader[:]), Plain)
	case 0x47:
		return sniffTS(b)
	case 'O':
		return sniffMagic(b, "OggS", Ogg)
	case 0x1A:
		return sniffMagic(b, "\x1A\x45\xDF\xA3", WebM)
	case 'F':
		return sniffMagic(b, "FLV\x01", FLV)
	}
	return LayoutUnknown, 0
}

func sniffMagic(b []byte, magic string, l Layout) (Layout, int) {
	n := min(len(b), len(magic))
	if string(b[:n]) != magic[:n] {
		return LayoutUnknown, 0
	}
	if n < len(magic) {
		return LayoutUnknown, len(magic) - n
	}
	return l, 0
}

// sniffTS wants three sync bytes, one packet apart (ISO 13818-1, 2.4.3.2).
func sniffTS(b []byte) (Layout, int) {
	const packet = 188
	for at := 0; at <= 2*packet; at += packet {
		if at >= len(b) {
			return LayoutUnknown, 2*packet + 1 - len(b)
		}
		if b[at] != 0x47 {
			return LayoutUnknown, 0
		}
	}
	return TS, 0
}

func sniffChunks(b []byte) (Layout, int) {
	for at := 0; at < maxSniff; {
		rest := b[at:]
		if len(rest) < 4 {
			if len(rest) > 0 && rest[0]&0x7F != '$' {
				return LayoutUnknown, 0
			}
			return LayoutUnknown, 4 - len(rest)
		}
		if rest[0]&0x7F != '$' {
			return LayoutUnknown, 0
		}
		size := 4 + int(le.Uint16(rest[2:]))
		switch ChunkKind(rest[1]) {
		case ChunkHeader:
			return sniffHeader(rest)
		case ChunkMeta, ChunkPair, ChunkTest, ChunkChange, ChunkFiller:
			if ChunkKind(rest[1]) == ChunkChange && size > 8 {
				return sniffChange(rest) // MS-WMHTTP 2.2.3.2: $C carries the new header
			}
			if size > len(rest) {
				if at+size >= maxSniff {
					return LayoutUnknown, 0
				}
				return LayoutUnknown, size - len(rest) + 4
			}
			at += size
		default:
			return LayoutUnknown, 0
		}
	}
	return LayoutUnknown, 0
}

// sniffChange decides on a $C chunk that has more than its reason.
func sniffChange(b []byte) (Layout, int) {
	return sniffMagic(b[min(8, len(b)):], string(guidHeader[:]), FramedPush)
}

// sniffHeader tells by where the header GUID stands in a $H chunk. The two cannot be
// confused: the GUID's first byte and the byte 8 after it differ.
func sniffHeader(b []byte) (Layout, int) {
	if l, need := sniffMagic(b[4:], string(guidHeader[:]), FramedPush); l == FramedPush || need > 0 && len(b) > 4 {
		return l, need
	}
	if len(b) < 12 {
		return LayoutUnknown, 12 + 16 - len(b)
	}
	return sniffMagic(b[12:], string(guidHeader[:]), FramedMMS)
}

// PlainEndSize is the length of the chunk with which ffmpeg ends a Plain stream.
const PlainEndSize = 12

// PlainEnd reports whether the bytes where a packet of a Plain stream should start are
// its end instead: the 12 bytes 24 45 08 00 and a sequence number, or an index object,
// which ffmpeg writes before them when there is video. Neither can begin a packet that
// ParsePacket takes with error correction data. While need is not 0 it is undecided;
// nothing behind an end belongs to the stream.
func PlainEnd(b []byte) (end bool, need int) {
	if len(b) > 0 && b[0] == '$' {
		l, need := sniffMagic(b, "$E\x08\x00", Plain)
		return l == Plain, need
	}
	return IsIndex(b)
}

// IsIndex reports whether the bytes where a packet of a file should start are instead
// one of the index objects that may follow the data (ASF 6). While need is not 0 it is
// undecided.
func IsIndex(b []byte) (index bool, need int) {
	if len(b) == 0 {
		return false, 1
	}
	for i := range guidIndexes {
		if prefixOf(b, &guidIndexes[i]) {
			return len(b) >= 16, max(0, 16-len(b))
		}
	}
	return false, 0
}
