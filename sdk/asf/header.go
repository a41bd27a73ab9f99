package asf

import "encoding/binary"

var le = binary.LittleEndian

// Kind is what a stream carries.
type Kind uint8

// Kinds of stream. The zero value is Other.
const (
	Other Kind = iota
	Video
	Audio
	Script
)

// String names the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	case Script:
		return "script"
	}
	return "other"
}

// Stream is one stream of a header. Fields that do not belong to its kind are zero.
type Stream struct {
	Number     uint8 // 1–127
	Kind       Kind
	Encrypted  bool
	Hidden     bool   // its properties lie in the header extension (ASF 4.1)
	Codec      uint32 // video: biCompression, first letter lowest; audio: wFormatTag
	Width      uint32 // pixels
	Height     uint32 // pixels
	SampleRate uint32 // Hz
	Channels   uint16
}

// StreamSet is a set of stream numbers. The zero value is empty; it is compared and
// copied as a value.
type StreamSet [2]uint64

// Add puts stream n into the set; numbers over 127 are ignored.
func (s *StreamSet) Add(n uint8) {
	if n <= MaxStreams {
		s[n>>6] |= 1 << (n & 63)
	}
}

// Has reports whether stream n is in the set.
func (s StreamSet) Has(n uint8) bool { return n <= MaxStreams && s[n>>6]>>(n&63)&1 != 0 }

// Empty reports whether no stream is in the set.
func (s StreamSet) Empty() bool { return s[0]|s[1] == 0 }

// Header is what a relay must know of an ASF header. It holds no reference to the
// bytes it was read from.
type Header struct {
	Size        int      // bytes: Header Object and the 50 bytes of the Data Object
	PacketSize  int      // bytes of each data packet
	Preroll     uint64   // ms, contained in each presentation time
	Flags       uint32   // ASF 3.2: bit 0 broadcast, bit 1 seekable
	MaxBitrate  uint32   // bits per second
	FileID      [16]byte // of the File Properties
	DataSize    uint64   // bytes of the Data Object with its 50-byte head; 50 or 0 for a live stream
	DataPackets uint64   // packets in the Data Object; 0 for a live stream
	StreamCount int
	Streams     [MaxStreams]Stream // the first StreamCount are valid, in the order of the header

	props    int       // offset of the File Properties Object
	declared StreamSet // streams whose Stream Properties were read
}

// List returns the streams, as a view of h.
func (h *Header) List() []Stream { return h.Streams[:h.StreamCount] }

// Set returns the numbers of the streams of one kind.
func (h *Header) Set(k Kind) StreamSet {
	var s StreamSet
	for i := range h.List() {
		if h.Streams[i].Kind == k {
			s.Add(h.Streams[i].Number)
		}
	}
	return s
}

// HeaderSize says how many bytes the Header Object and the 50-byte head of the Data
// Object take. n is 0 while that is not known; need is how many more bytes are wanted,
// first to know n, then to have the header whole. Contents are checked by ParseHeader.
func HeaderSize(b []byte) (n, need int, err error) {
	if !prefixOf(b, &guidHeader) {
		return 0, 0, ErrMalformed
	}
	if len(b) < objectHead {
		return 0, objectHead - len(b), nil
	}
	size := le.Uint64(b[16:])
	switch {
	case size < headerFixed:
		return 0, 0, ErrMalformed
	case size > MaxHeaderSize-DataHeadSize:
		return 0, 0, ErrTooLarge
	}
	n = int(size) + DataHeadSize
	return n, max(0, n-len(b)), nil
}

// prefixOf reports whether b agrees with g as far as it goes.
func prefixOf(b []byte, g *guid) bool {
	n := min(len(b), len(g))
	return string(b[:n]) == string(g[:n])
}

// ParseHeader reads a header: the whole Header Object and the first 50 bytes of the
// Data Object. Bytes of b beyond them are ignored. It fails with ErrTruncated when b
// is shorter, and with ErrVariable when packets have no fixed size.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	n, need, err := HeaderSize(b)
	if err != nil {
		return h, err
	}
	if need > 0 {
		return h, ErrTruncated
	}
	h.Size = n
	w := walk{b: b[:n-DataHeadSize], at: headerFixed}
	for w.next() {
		if err := h.object(w.object()); err != nil {
			return h, err
		}
		if w.is(&guidFileProps) {
			if h.props != 0 {
				return h, ErrMalformed
			}
			h.props = w.start
		}
	}
	if w.bad || h.props == 0 || h.StreamCount == 0 {
		return h, ErrMalformed
	}
	return h, h.data(b[n-DataHeadSize : n])
}

// object reads one child of the Header Object or of the Header Extension.
func (h *Header) object(o []byte) error {
	switch guid(o[:16]) {
	case guidFileProps:
		return h.fileProps(o)
	case guidStreamProps:
		return h.streamProps(o, false)
	case guidExtStream:
		return h.extStream(o)
	}
	return nil
}

// fileProps reads a File Properties Object (ASF 3.2).
func (h *Header) fileProps(o []byte) error {
	if len(o) < fileProps {
		return ErrMalformed
	}
	h.FileID = guid(o[24:40])
	h.Preroll = le.Uint64(o[80:])
	h.Flags = le.Uint32(o[88:])
	h.MaxBitrate = le.Uint32(o[100:])
	size := le.Uint32(o[92:])
	switch {
	case size != le.Uint32(o[96:]):
		return ErrVariable
	case size > MaxPacketSize:
		return ErrTooLarge
	case size < MinPacketSize:
		return ErrMalformed
	}
	h.PacketSize = int(size)
	return nil
}

// stream returns the entry of a stream number, new if need be, or nil for number 0.
func (h *Header) stream(number uint8) *Stream {
	for i := range h.List() {
		if h.Streams[i].Number == number {
			return &h.Streams[i]
		}
	}
	if number == 0 || h.StreamCount == MaxStreams {
		return nil
	}
	s := &h.Streams[h.StreamCount]
	h.StreamCount++
	s.Number = number
	return s
}

// streamProps reads a Stream Properties Object (ASF 3.3).
func (h *Header) streamProps(o []byte, hidden bool) error {
	if len(o) < streamProps {
		return ErrMalformed
	}
	typeLen, ecLen := le.Uint32(o[64:]), le.Uint32(o[68:])
	if uint64(typeLen)+uint64(ecLen) > uint64(len(o)-streamProps) {
		return ErrMalformed
	}
	flags := le.Uint16(o[72:])
	s := h.stream(uint8(flags & 0x7F))
	if s == nil || h.declared.Has(s.Number) {
		return ErrMalformed
	}
	h.declared.Add(s.Number)
	s.Hidden = hidden
	s.Encrypted = flags&0x8000 != 0
	s.media(guid(o[24:40]), o[streamProps:streamProps+int(typeLen)])
	return nil
}

// media reads the type-specific data (ASF 9.1 audio, 9.2 video). Data too short for
// its type leaves the fields zero: the codec's business, not the relay's.
func (s *Stream) media(kind guid, d []byte) {
	switch kind {
	case guidVideo:
		s.Kind = Video
		if len(d) >= 11+40 { // BITMAPINFOHEADER follows 11 bytes
			s.Width, s.Height = le.Uint32(d), le.Uint32(d[4:])
			s.Codec = le.Uint32(d[11+16:])
		}
	case guidAudio:
		s.Kind = Audio
		if len(d) >= 16 { // WAVEFORMATEX
			s.Codec = uint32(le.Uint16(d))
			s.Channels = le.Uint16(d[2:])
			s.SampleRate = le.Uint32(d[4:])
		}
	case guidScript:
		s.Kind = Script
	}
}

// extStream reads an Extended Stream Properties Object and the Stream Properties
// that may lie inside it (ASF 4.1).
func (h *Header) extStream(o []byte) error {
	at, ok := extStreamTail(o)
	if !ok || h.stream(uint8(le.Uint16(o[72:])&0x7F)) == nil {
		return ErrMalformed
	}
	w := walk{b: o, at: at, flat: true}
	for w.next() {
		if w.is(&guidStreamProps) {
			if err := h.streamProps(w.object(), true); err != nil {
				return err
			}
		}
	}
	if w.bad {
		return ErrMalformed
	}
	return nil
}

// extStreamTail finds where the optional Stream Properties of an Extended Stream
// Properties Object begin: after its names and its payload extension systems.
func extStreamTail(o []byte) (at int, ok bool) {
	if len(o) < extStreamMin {
		return 0, false
	}
	names, systems := le.Uint16(o[84:]), le.Uint16(o[86:])
	at = extStreamMin
	for ; names > 0; names-- { // u16 language, u16 length, text
		if len(o)-at < 4 {
			return 0, false
		}
		at += 4 + int(le.Uint16(o[at+2:]))
		if at > len(o) {
			return 0, false
		}
	}
	for ; systems > 0; systems-- { // GUID, u16 data size, u32 length, info
		if len(o)-at < 22 {
			return 0, false
		}
		n := le.Uint32(o[at+18:])
		if uint64(n) > uint64(len(o)-at-22) {
			return 0, false
		}
		at += 22 + int(n)
	}
	return at, true
}

// data reads the head of the Data Object (ASF 5.1).
func (h *Header) data(d []byte) error {
	if guid(d[:16]) != guidData {
		return ErrMalformed
	}
	h.DataSize, h.DataPackets = le.Uint64(d[16:]), le.Uint64(d[40:])
	if h.DataSize != 0 && h.DataSize < DataHeadSize {
		return ErrMalformed
	}
	return nil
}
