package main

import "encoding/binary"

// flvFile makes an FLV file of H.264 and AAC that fills kbit kbit/s: 25 pictures a second, a key picture each second, and an AAC frame of 1,024 samples at
// 48 kHz each 21.3 ms. Pictures are those of tsFile.
func flvFile(kbit, seconds int) []byte {
	const (
		perSecond = 25
		audioKbit = 64 // chosen; a tenth of a small stream
		tagBytes  = 15 // head and length of a tag (FLV 10.1, E.4.1)
	)
	f := flvWriter{'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0}
	f.tag(9, 0, avcConfig())
	f.tag(8, 0, []byte{0xAF, 0, 0x11, 0x90}) // AAC LC, 48 kHz, stereo
	picture := max(kbit-audioKbit, kbit/2)*1000/8/perSecond - tagBytes
	audio := make([]byte, min(audioKbit, kbit/2)*1000/8*1024/48000-tagBytes)
	audio[0], audio[1] = 0xAF, 1
	sound := 0
	for n := range seconds * perSecond {
		ms := n * 1000 / perSecond
		for ; sound*1024/48 <= ms; sound++ {
			f.tag(8, uint32(sound*1024/48), audio)
		}
		f.tag(9, uint32(ms), flvPicture(picture, n%perSecond == 0, n%perSecond))
	}
	return f
}

type flvWriter []byte

func (f *flvWriter) tag(kind byte, ms uint32, body []byte) {
	n := len(body)
	*f = append(*f, kind, byte(n>>16), byte(n>>8), byte(n), byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24), 0, 0, 0)
	*f = append(*f, body...)
	*f = binary.BigEndian.AppendUint32(*f, uint32(n+11))
}

// avcConfig is the decoder configuration that precedes all pictures (ISO/IEC 14496-15 5.2.4.1).
func avcConfig() []byte {
	b := []byte{0x17, 0, 0, 0, 0, 1, spsNAL[1], spsNAL[2], spsNAL[3], 0xFF, 0xE1}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(spsNAL))), spsNAL...)
	b = append(b, 1)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(ppsNAL))), ppsNAL...)
}

// flvPicture is a picture of so many bytes, as one NAL unit behind its length.
func flvPicture(size int, key bool, frame int) []byte {
	nals := pictureNALs(key, frame)
	slice := nals[len(nals)-1]
	b := []byte{0x27, 1, 0, 0, 0}
	if key {
		b[0] = 0x17
	}
	b = append(binary.BigEndian.AppendUint32(b, uint32(size-9)), slice...)
	for len(b) < size {
		b = append(b, fillerByte)
	}
	return b
}
