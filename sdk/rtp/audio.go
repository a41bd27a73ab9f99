package rtp

// PushMPEGAudio takes a packet of MPEG audio (RFC 2250 3.5): whole frames behind a head of
// four bytes. A frame that was cut into several packets is thrown away, which is told by
// false: encoders cut none that fits a packet.
func PushMPEGAudio(p *Packet, b []byte, to Sink) bool {
	const head = 4
	if len(b) <= head || b[2] != 0 || b[3] != 0 { // Frag_offset
		return false
	}
	b = b[head:]
	if n := mpegFrame(b); n == 0 || n > len(b) {
		return false
	}
	to.Begin(Unit{Timestamp: p.Timestamp, Key: true, Size: len(b)})
	to.Write(b)
	to.End()
	return true
}

// mpegFrame gives the size in bytes of the frame of layer II or III that begins b, 0 if
// there is none (ISO 11172-3 2.4.2.3, ISO 13818-3 2.4.2.3).
func mpegFrame(b []byte) int {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE0 != 0xE0 {
		return 0
	}
	version, layer := b[1]>>3&3, b[1]>>1&3 // 3: MPEG-1; 2: layer II, 1: layer III
	rate, frequency := b[2]>>4, b[2]>>2&3
	if version == 1 || layer == 0 || layer == 3 || rate == 0 || rate == 15 || frequency == 3 {
		return 0
	}
	kbits := &bitRates[2]
	if version == 3 {
		kbits = &bitRates[2-layer]
	}
	hertz := [3]int{44100, 48000, 32000}[frequency]
	samples := 144 // an eighth of a frame's
	switch version {
	case 2:
		hertz /= 2
	case 0:
		hertz /= 4
	}
	if version != 3 && layer == 1 {
		samples = 72
	}
	return samples*1000*int(kbits[rate])/hertz + int(b[2]>>1&1)
}

// bitRates are those of MPEG-1 layer II and III, and of MPEG-2, in kbit/s.
var bitRates = [3][15]uint16{
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}
