package main

import (
	"bytes"

	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/sdp"
)

// maxControl bounds a track's address, bytes (chosen).
const maxControl = 256

const takes = "; what is taken is H.264, AAC (AAC-hbr), MPEG audio, Opus, or one MPEG transport stream (MP2T)"

// describe makes the tracks of a description. What cannot be taken is told in words.
func (r *recording) describe(d *sdp.Description) (fault string) {
	list := d.Media()
	if len(list) == 0 {
		return "the description has no media (m=)"
	}
	if len(list) > maxTracks {
		return "the description has more than four media"
	}
	pictures, streams := 0, 0
	for i := range list {
		var t medium
		if fault := t.describe(&list[i]); fault != "" {
			return fault
		}
		switch t.coding {
		case codingH264:
			pictures++
		case codingTS:
			streams++
		}
		r.tracks = append(r.tracks, t)
	}
	switch {
	case pictures > 1:
		return "the description has several pictures (m=video); one is taken"
	case streams > 0 && len(list) > 1:
		return "an MPEG transport stream (MP2T) is taken alone, since it has all tracks in it"
	}
	return ""
}

func (t *medium) describe(m *sdp.Media) (fault string) {
	name := string(m.Kind) + " " + string(m.Encoding)
	switch {
	case len(m.Control) > maxControl:
		return "a track's address (a=control) has more than 256 bytes"
	case !httptext.EqualFold(m.Protocol, "RTP/AVP") && !httptext.EqualFold(m.Protocol, "RTP/AVPF") && !httptext.EqualFold(m.Protocol, "RTP/AVP/TCP"):
		return "the protocol " + string(m.Protocol) + " is not taken; send RTP/AVP"
	}
	t.kind, t.clock.rate, t.control = m.Type, m.Rate, bytes.Clone(m.Control)
	sound, picture := httptext.EqualFold(m.Kind, "audio"), httptext.EqualFold(m.Kind, "video")
	if !sound && !picture {
		return ""
	}
	if !m.IsRTP || len(m.Encoding) == 0 || m.Rate == 0 {
		return "a medium (m=" + string(m.Kind) + ") does not say how it is coded (a=rtpmap)"
	}
	switch {
	case picture && httptext.EqualFold(m.Encoding, "H264"):
		return t.describeH264(m)
	case sound && httptext.EqualFold(m.Encoding, "MPEG4-GENERIC"):
		return t.describeAAC(m)
	case sound && httptext.EqualFold(m.Encoding, "MPA"):
		t.coding = codingMPA
	case sound && httptext.EqualFold(m.Encoding, "opus"):
		t.coding = codingOpus
	case httptext.EqualFold(m.Encoding, "MP2T"):
		t.coding = codingTS
	default:
		return name + " is not taken" + takes
	}
	return ""
}

// describeH264 reads RFC 6184 8.1.
func (t *medium) describeH264(m *sdp.Media) (fault string) {
	if mode, ok := m.Param("packetization-mode"); ok && string(mode) != "0" && string(mode) != "1" {
		return "H.264 in interleaved packets (packetization-mode=" + string(mode) + ") is not taken; use mode 0 or 1"
	}
	if sets, ok := m.Param("sprop-parameter-sets"); ok {
		t.h264.Sprop(sets)
	}
	t.coding = codingH264
	return ""
}

// describeAAC reads RFC 3640 3.3.6 and 4.1.
func (t *medium) describeAAC(m *sdp.Media) (fault string) {
	mode, _ := m.Param("mode")
	if !httptext.EqualFold(mode, "AAC-hbr") {
		return "AAC in mode " + sdk.Quote(mode) + " is not taken; use AAC-hbr"
	}
	for _, c := range [...]struct{ name, want string }{{"sizelength", "13"}, {"indexlength", "3"}, {"indexdeltalength", "3"}} {
		if v, _ := m.Param(c.name); string(v) != c.want {
			return "AAC with " + c.name + "=" + string(v) + " is not taken; AAC-hbr has " + c.want
		}
	}
	text, _ := m.Param("config")
	var raw [64]byte
	n, ok := readHex(raw[:], text)
	if !ok || t.aac.Configure(raw[:n]) != nil {
		return "AAC with config=" + string(text) + " is not taken: it must be one of AAC Main, LC, SSR or LTP, with or without SBR, of one to six channels or eight"
	}
	t.coding = codingAAC
	return ""
}

// readHex reads pairs of hexadecimal digits.
func readHex(dst, text []byte) (n int, ok bool) {
	for ; len(text) >= 2 && n < len(dst); n++ {
		v, digits := httptext.Hex(text[:2])
		if !digits {
			return 0, false
		}
		dst[n], text = byte(v), text[2:]
	}
	return n, len(text) == 0 && n > 0
}

// find gives the number of the track that an address names, -1 if there is none: the
// session's with the track's behind it, or the track's own (RFC 2326 C.1.1).
func (r *recording) find(uri, base []byte) int {
	for i := range r.tracks {
		c := r.tracks[i].control
		if len(c) == 0 || len(c) == 1 && c[0] == '*' {
			continue
		}
		if bytes.Equal(uri, c) || bytes.HasSuffix(uri, c) && len(uri) > len(c) && uri[len(uri)-len(c)-1] == '/' {
			return i
		}
	}
	if len(r.tracks) == 1 && bytes.Equal(bytes.TrimSuffix(uri, []byte("/")), bytes.TrimSuffix(base, []byte("/"))) {
		return 0
	}
	return -1
}

// isSetUp tells whether a track has a way to come.
func (r *recording) isSetUp() bool {
	for i := range r.tracks {
		if r.tracks[i].by != byNothing && r.tracks[i].coding != codingOther {
			return true
		}
	}
	return false
}

// isMuxed tells whether the track goes into the transport stream that is made here.
func (t *medium) isMuxed() bool {
	return t.by != byNothing && t.coding != codingOther && t.coding != codingTS
}

// program puts the tracks that were set up into the transport stream.
func (r *recording) program() {
	r.mux = mpegts.Mux{}
	for i := range r.tracks {
		if t := &r.tracks[i]; t.isMuxed() {
			n, _ := r.mux.Add(codecs[t.coding]) // maxTracks have room
			t.stream = uint8(n)
		}
	}
}

var codecs = [codings]mpegts.Codec{codingH264: mpegts.H264, codingAAC: mpegts.AAC, codingMPA: mpegts.MPEGAudio, codingOpus: mpegts.Opus}

// unitSink makes transport stream packets of a track's access units.
type unitSink struct {
	r   *recording
	t   *medium
	out []byte
	// skips: the unit is sound that would stand before what was written. Players
	// complain when sound goes back, and a gap of some frames is not heard as one.
	skips bool
}

// Begin implements rtp.Sink.
func (k *unitSink) Begin(u rtp.Unit) {
	pts := k.r.place(k.t, u.Timestamp)
	dts := pts
	if k.t.coding == codingH264 {
		dts = k.t.order.Next(pts, u.Reorder)
	} else if k.skips = pts <= k.t.clock.placed; k.skips {
		return
	}
	k.t.clock.placed = pts
	k.out = k.r.mux.Begin(k.out, int(k.t.stream), mpegts.Unit{PTS: pts, DTS: dts, Key: u.Key, Size: u.Size})
}

// Write implements rtp.Sink.
func (k *unitSink) Write(b []byte) {
	if !k.skips {
		k.out = k.r.mux.Write(k.out, int(k.t.stream), b)
	}
}

// End implements rtp.Sink.
func (k *unitSink) End() {
	if !k.skips {
		k.out = k.r.mux.End(k.out, int(k.t.stream))
	}
}
