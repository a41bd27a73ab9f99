package mpegts

import "testing"

func TestCodecs(t *testing.T) {
	for _, c := range []struct {
		streamType byte
		want       string
		kind       Kind
	}{
		{0x01, "mpeg2video", Video}, {0x02, "mpeg2video", Video}, {0x10, "mpeg4", Video}, {0x1B, "h264", Video},
		{0x24, "h265", Video}, {0x33, "h266", Video}, {0xEA, "vc1", Video},
		{0x03, "mpegaudio", Audio}, {0x04, "mpegaudio", Audio}, {0x0F, "aac", Audio}, {0x11, "aac", Audio},
		{0x81, "ac3", Audio}, {0x87, "ac3", Audio}, {0x82, "dts", Audio}, {0x80, "pcm", Audio},
		{0x06, "unknown", Other}, {0x15, "unknown", Other},
	} {
		got := codecOf(c.streamType, nil)
		if got.String() != c.want || got.kind() != c.kind {
			t.Errorf("%#x: %v, kind %d", c.streamType, got, got.kind())
		}
	}
	for format, want := range map[string]Codec{"EAC3": AC3, "DTS2": DTS, "VVC ": H266, "BSSD": PCM, "KLVA": UnknownCodec} {
		if got := codecOfDescriptors(append([]byte{5, 4}, format...)); got != want {
			t.Errorf("%s: %v", format, got)
		}
	}
	if Codec(200).String() != "unknown" || Codec(200).kind() != Other {
		t.Error("no such codec")
	}
}
