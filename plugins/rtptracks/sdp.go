package main

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"

	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/sdp"
)

const (
	typeH264 = 96 // RFC 3551 3: from 96 on they are dynamic
	typeAAC  = 97
	typeMPA  = 14 // RFC 3551 6
	// maxText bounds the header, bytes: all parameter sets in base64, and the lines.
	maxText = rtp.MaxParameters*4/3 + 1024
	// pending is the header until tracks are known.
	pending = "a=inactive\r\n"
)

// kind is a track's payload type.
func (k *packing) kind(i int) uint8 {
	switch {
	case i == pictures:
		return typeH264
	case k.frames.Coding == rtp.MPEGAudio:
		return typeMPA
	}
	return typeAAC
}

// describe brings the rendition's header up to date: the media part of an SDP (RFC 8866),
// as soon as all tracks are known, or have been waited for.
func (o *output) describe() {
	k := o.k
	if k.headed && !k.nal.Changed && !k.frames.Changed {
		return
	}
	shown, missing := uint8(0), false
	for i := range k.tracks {
		switch {
		case k.tracks[i].pid == 0:
		case k.isKnown(i):
			shown |= 1 << i
		default:
			missing = true
		}
	}
	if shown == 0 || missing && !k.headed && k.isPatient(o.note.DTS) {
		return
	}
	o.flush()
	k.headed, k.barren, k.nal.Changed, k.frames.Changed, k.shown = true, false, false, false, shown
	o.text = k.appendHeader(o.text[:0])
	p := o.v.Pieces()
	p.Literal(o.text)
	o.v.Header(p)
}

// appendHeader appends the header of the tracks that are shown.
func (k *packing) appendHeader(b []byte) []byte {
	for i := range k.tracks {
		if k.shown&(1<<i) != 0 {
			b = k.appendMedia(b, i)
		}
	}
	return b
}

// appendMedia appends a track's part. Control URLs, SSRC and the timestamp of the timeline's
// beginning (RFC 7273 5) are for plugin rtsp.
func (k *packing) appendMedia(b []byte, i int) []byte {
	t, kind := &k.tracks[i], uint64(k.kind(i))
	medium := "m=video 0 RTP/AVP "
	if i == sound {
		medium = "m=audio 0 RTP/AVP "
	}
	b = strconv.AppendUint(append(b, medium...), kind, 10)
	b = strconv.AppendUint(append(b, "\r\na=rtpmap:"...), kind, 10)
	switch {
	case i == pictures:
		b = append(b, " H264/90000"...)
		b = k.appendPictures(b)
	case k.frames.Coding == rtp.MPEGAudio:
		b = append(b, " MPA/90000"...)
	default:
		b = strconv.AppendUint(append(b, " MPEG4-GENERIC/"...), uint64(k.frames.Rate()), 10)
		b = strconv.AppendUint(append(b, '/'), uint64(k.frames.Channels()), 10)
		// RFC 3640 4.1, 3.3.6: without a profile that is known, profile-level-id is 1.
		b = append(b, "\r\na=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config="...)
		config := k.frames.Config()
		b = appendHex(b, config[:])
	}
	b = strconv.AppendUint(append(b, "\r\na=control:trackID="...), uint64(i+1), 10)
	b = strconv.AppendUint(append(b, "\r\na=ssrc:"...), uint64(t.ssrc), 10)
	b = strconv.AppendUint(append(b, " cname:"+cname+"\r\na=mediaclk:direct="...), uint64(t.offset), 10)
	return append(b, "\r\n"...)
}

// appendPictures appends the parameters of H.264 (RFC 6184 8.1).
func (k *packing) appendPictures(b []byte) []byte {
	const profile, level = 1, 4 // bytes of an SPS
	b = append(b, "\r\na=fmtp:96 packetization-mode=1;profile-level-id="...)
	list := k.nal.Params()
	for i := 0; len(list) > 2; i++ {
		n := 2 + int(binary.BigEndian.Uint16(list))
		set := list[2:n]
		switch {
		case i > 0:
			b = append(b, ',')
		case len(set) >= level:
			b = appendHex(b, set[profile:level])
			b = append(b, ";sprop-parameter-sets="...)
		}
		b = base64.StdEncoding.AppendEncode(b, set)
		list = list[n:]
	}
	return b
}

func appendHex(b, raw []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range raw {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// announce says in the header that tracks will be known, or what there is instead.
func (k *packing) announce(v *sdk.Verdicts) {
	const usual = 128 // bytes (chosen)
	p := v.Pieces()
	if !k.isBarren() {
		p.Text(pending)
		v.Header(p)
		return
	}
	b := append(make([]byte, 0, usual), sdp.Carries...)
	for i, c := range k.carried {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, mpegts.Codec(c).String()...)
	}
	p.Literal(append(b, "\r\n"...))
	v.Header(p)
}
