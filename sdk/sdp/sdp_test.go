package sdp

import (
	"errors"
	"strings"
	"testing"
)

// pushed is what ffmpeg announces (wire digest §5.2, §5.3).
const pushed = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:libavformat 59.27.100\r\n" +
	"m=video 0 RTP/AVP 96\r\nb=AS:200\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LADA==,aM48gA==; profile-level-id=42C00C\r\na=control:streamid=0\r\n" +
	"m=audio 0 RTP/AVP 97\r\nb=AS:69\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\na=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=120856E500\r\na=control:streamid=1\r\n"

func TestPushed(t *testing.T) {
	for _, text := range []string{pushed, strings.ReplaceAll(pushed, "\r\n", "\n"), strings.TrimRight(pushed, "\r\n")} {
		var d Description
		if err := Parse([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		list := d.Media()
		if len(list) != 2 || string(d.Name) != "No Name" || d.Control != nil {
			t.Fatalf("%d media, %q, %q", len(list), d.Name, d.Control)
		}
		v, a := &list[0], &list[1]
		if string(v.Kind) != "video" || !v.IsRTP || v.Type != 96 || string(v.Encoding) != "H264" || v.Rate != 90000 || string(v.Control) != "streamid=0" {
			t.Errorf("%+v", v)
		}
		if sets, ok := v.Param("SPROP-parameter-sets"); !ok || string(sets) != "Z0LADA==,aM48gA==" {
			t.Errorf("%q", sets)
		}
		if string(a.Encoding) != "MPEG4-GENERIC" || a.Rate != 44100 || a.Channels != 1 || string(a.Protocol) != "RTP/AVP" || string(a.Control) != "streamid=1" {
			t.Errorf("%+v", a)
		}
		if config, _ := a.Param("config"); string(config) != "120856E500" {
			t.Errorf("%q", config)
		}
		if _, ok := a.Param("nothing"); ok {
			t.Error("a parameter that is not there")
		}
	}
}

func TestStaticTypes(t *testing.T) {
	var d Description
	text := "v=0\na=control:rtsp://h/live\nm=video 5004/2 RTP/AVP 33 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 14\na=recvonly\nm=application 9 TCP *\n"
	if err := Parse([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	list := d.Media()
	if string(d.Control) != "rtsp://h/live" || string(list[0].Encoding) != "MP2T" || list[0].Rate != 90000 || list[0].Port != 5004 || string(list[1].Encoding) != "MPA" || list[2].IsRTP {
		t.Errorf("%+v", d)
	}
}

func TestRefused(t *testing.T) {
	const head = "v=0\ns=x\n"
	for text, want := range map[string]error{
		"":                                  ErrNot,
		"m=video 0 RTP/AVP 96\n":            ErrNot,
		"<html>":                            ErrNot,
		head + "m=video\n":                  ErrMedia,
		head + "m=video x RTP/AVP 96\n":     ErrMedia,
		head + "m=video 70000 RTP/AVP 96\n": ErrMedia,
		head + "m=video 0 RTP/AVP\n":        ErrMedia,
		head + strings.Repeat("m=video 0 RTP/AVP 96\n", MaxMedia+1):    ErrLarge,
		head + strings.Repeat("a=nothing:of importance\n", MaxSize/20): ErrLarge,
	} {
		var d Description
		if err := Parse([]byte(text), &d); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(pushed))
	f.Add([]byte("v=0\nm=audio 0/0 RTP/AVP 0\na=rtpmap:0 /\na=fmtp:0 =;;a=\na=control\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Description
		if err := Parse(b, &d); err != nil {
			return
		}
		for i := range d.Media() {
			m := &d.Media()[i]
			if len(m.Kind)+len(m.Control)+len(m.Format) > len(b) || m.Type > 127 {
				t.Fatalf("%+v", m)
			}
			m.Param("config")
		}
	})
}
