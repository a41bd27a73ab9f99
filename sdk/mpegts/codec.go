package mpegts

import "bytes"

// Kind is what a packet or a stream carries.
type Kind uint8

// Kinds. Table is used for packets of the PAT and of the followed programme's PMT.
const (
	Other Kind = iota
	Table
	Video
	Audio
	Null
)

// Codec is the coding of an elementary stream.
type Codec uint8

// Codecs that are told apart. Those from MPEG2Video up to VC1 are video, the rest audio.
const (
	UnknownCodec Codec = iota
	MPEG2Video         // and MPEG-1
	MPEG4Video
	H264
	H265
	H266
	VC1
	MPEGAudio
	AAC
	AC3 // and E-AC-3
	DTS
	Opus
	PCM
	codecs
)

var codecNames = [codecs]string{"unknown", "mpeg2video", "mpeg4", "h264", "h265", "h266", "vc1", "mpegaudio", "aac", "ac3", "dts", "opus", "pcm"}

// String names the codec in lower case.
func (c Codec) String() string {
	if c < codecs {
		return codecNames[c]
	}
	return codecNames[0]
}

func (c Codec) kind() Kind {
	switch {
	case c >= MPEG2Video && c <= VC1:
		return Video
	case c > VC1 && c < codecs:
		return Audio
	}
	return Other
}

// codecOf tells a stream's codec by its stream_type (ISO 13818-1 table 2-34, ATSC A/53
// and SMPTE RP 227 for the private ones) and, for private data, its descriptors.
func codecOf(streamType byte, descriptors []byte) Codec {
	switch streamType {
	case 0x01, 0x02:
		return MPEG2Video
	case 0x10:
		return MPEG4Video
	case 0x1B:
		return H264
	case 0x24:
		return H265
	case 0x33:
		return H266
	case 0xEA:
		return VC1
	case 0x03, 0x04:
		return MPEGAudio
	case 0x0F, 0x11:
		return AAC
	case 0x81, 0x87:
		return AC3
	case 0x82, 0x85, 0x8A:
		return DTS
	case 0x80, 0x83:
		return PCM
	case 0x06:
		return codecOfDescriptors(descriptors)
	}
	return UnknownCodec
}

// codecOfDescriptors reads registration descriptors (ISO 13818-1, 2.6.8) and those of
// DVB (ETSI EN 300 468 table 12).
func codecOfDescriptors(d []byte) Codec {
	for len(d) >= 2 {
		tag, n := d[0], int(d[1])
		if len(d) < 2+n {
			break
		}
		body := d[2 : 2+n]
		d = d[2+n:]
		switch tag {
		case 0x6A, 0x7A:
			return AC3
		case 0x7B:
			return DTS
		case 0x7C:
			return AAC
		case 0x05:
			if c := codecOfRegistration(body); c != UnknownCodec {
				return c
			}
		}
	}
	return UnknownCodec
}

func codecOfRegistration(body []byte) Codec {
	if len(body) < 4 {
		return UnknownCodec
	}
	switch string(body[:4]) {
	case "Opus":
		return Opus
	case "AC-3", "EAC3":
		return AC3
	case "DTS1", "DTS2", "DTS3":
		return DTS
	case "HEVC":
		return H265
	case "VVC ":
		return H266
	case "VC-1":
		return VC1
	case "BSSD":
		return PCM
	}
	return UnknownCodec
}

// randomAccess reports whether the elementary stream's bytes at the start of a PES
// packet begin a random access point: a unit from which a decoder can start without
// anything before. For MPEG-2 that is a sequence header; an I picture without one
// cannot be decoded by who joins there. Only the bytes given are seen, so an IDR slice
// behind many others is not found, but its parameter sets come first.
func randomAccess(c Codec, es []byte) bool {
	for {
		i := startCode(es)
		if i < 0 {
			return false
		}
		es = es[i:]
		switch c.unit(es) {
		case unitAccess:
			return true
		case unitPicture:
			return false
		}
	}
}

// startCode returns the offset behind the next 00 00 01 that has a byte after it.
func startCode(b []byte) int {
	for at := 2; at < len(b)-1; {
		i := bytes.IndexByte(b[at:len(b)-1], 1)
		if i < 0 {
			return -1
		}
		at += i
		if b[at-1] == 0 && b[at-2] == 0 {
			return at + 1
		}
		at++
	}
	return -1
}

type unit uint8

const (
	unitOther   unit = iota
	unitAccess       // decoding can start here
	unitPicture      // a picture that depends on others
)

// unit classes the unit that begins behind a start code.
func (c Codec) unit(b []byte) unit {
	switch c {
	case H264: // ITU-T H.264 table 7-1
		switch b[0] & 0x1F {
		case 5, 7:
			return unitAccess
		case 1, 2, 3, 4:
			return unitPicture
		}
	case H265: // ITU-T H.265 table 7-1
		switch t := b[0] >> 1 & 0x3F; {
		case t >= 16 && t <= 23, t == 32, t == 33:
			return unitAccess
		case t < 16:
			return unitPicture
		}
	case H266: // ITU-T H.266 table 5: the type is in the second byte
		if len(b) < 2 {
			return unitOther
		}
		switch t := b[1] >> 3; {
		case t >= 7 && t <= 10, t == 14, t == 15:
			return unitAccess
		case t < 7:
			return unitPicture
		}
	case MPEG2Video: // ISO 13818-2 table 6-1
		return class(b[0] == 0xB3, b[0] == 0x00)
	case MPEG4Video: // ISO 14496-2 table 6-3
		return class(b[0] == 0xB0 || b[0] >= 0x20 && b[0] <= 0x2F, b[0] == 0xB6)
	case VC1: // SMPTE 421M annex E
		return class(b[0] == 0x0F, b[0] == 0x0D)
	}
	return unitOther
}

func class(access, picture bool) unit {
	switch {
	case access:
		return unitAccess
	case picture:
		return unitPicture
	}
	return unitOther
}
