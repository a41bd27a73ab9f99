package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func TestAnnounceRefused(t *testing.T) {
	for _, c := range []struct{ sdp, status, want string }{
		{"hello", "400", "v=0"},
		{sdpHead, "415", "no media"},
		{sdpHead + strings.Replace(sdpPicture, "H264", "H265", 1), "415", "video H265 is not taken"},
		{sdpHead + strings.Replace(sdpPicture, "mode=1", "mode=2", 1), "415", "packetization-mode=2"},
		{sdpHead + strings.Replace(sdpSound, "AAC-hbr", "generic", 1), "415", "AAC-hbr"},
		{sdpHead + strings.Replace(sdpSound, "120856E500", "12", 1), "415", "config=12"},
		{sdpHead + strings.Replace(sdpSound, "MPEG4-GENERIC", "MP4A-LATM", 1), "415", "audio MP4A-LATM"},
		{sdpHead + "m=audio 0 RTP/AVP 0\r\n", "415", "audio PCMU"},
		{sdpHead + "m=video 0 RTP/AVP 99\r\n", "415", "a=rtpmap"},
		{sdpHead + "m=video 0 RTP/SAVP 96\r\n", "415", "RTP/SAVP"},
		{sdpHead + sdpPicture + sdpPicture, "415", "several pictures"},
		{sdpHead + sdpSound + "m=video 0 RTP/AVP 33\r\n", "415", "alone"},
		{sdpHead + strings.Repeat(sdpSound, 5), "415", "four"},
	} {
		r := newEncoder(t)
		a := r.ask("ANNOUNCE", recordURL, "", c.sdp)
		if r.must(a, c.status); !strings.Contains(a, c.want) {
			t.Errorf("answered %q, want %q", a, c.want)
		}
		r.must(r.ask("RECORD", recordURL, "", ""), "455")
	}
}

func TestRecordRefused(t *testing.T) {
	for code, want := range map[abi.Code]string{
		abi.EBUSY: "455", abi.ENOENT: "404", abi.EPERM: "403", abi.ENOSYS: "415", abi.ESTATE: "503", abi.ELIMIT: "503", abi.EINVAL: "500",
	} {
		r := newEncoder(t)
		r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+sdpPicture), "200")
		r.must(r.ask("SETUP", recordURL+"/streamid=0", "Transport: RTP/AVP/TCP;unicast;mode=record\r\n", ""), "200")
		r.Verdicts, r.cseq = nil, r.cseq+1
		r.Data([]byte("RECORD "+recordURL+" RTSP/1.0\r\nCSeq: "+strconv.Itoa(r.cseq)+"\r\n\r\n"), 0)
		r.Send(&abi.Refused{Head: r.Head(), Code: code, Text: []byte("so says the host"), During: abi.OpTimer})
		a := r.written()
		if r.must(a, want); !strings.Contains(a, "so says the host") || !strings.Contains(a, `"live"`) {
			t.Errorf("%v: %q", code, a)
		}
	}
	r := newEncoder(t)
	r.must(r.ask("SETUP", recordURL, "Transport: RTP/AVP/TCP;unicast;mode=record\r\n", ""), "455")
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+sdpPicture), "200")
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+sdpPicture), "455")
	r.must(r.ask("SETUP", recordURL+"/other", "Transport: RTP/AVP/TCP;unicast;mode=record\r\n", ""), "404")
	r.must(r.ask("SETUP", recordURL, "Transport: RTP/AVP;multicast;mode=record\r\n", ""), "461")
	r.must(r.ask("SETUP", recordURL, "Transport: RTP/AVP;unicast;mode=record\r\n", ""), "461")
	r.must(r.ask("RECORD", recordURL, "", ""), "455")
}

// TestLogin: the host judges ANNOUNCE, and its challenge reaches the encoder.
func TestLogin(t *testing.T) {
	for code, want := range map[abi.Code]string{abi.EAUTH: "401", abi.EPERM: "403", abi.EAGAIN: "503"} {
		r := newEncoder(t)
		r.logged.Code, r.logged.Text = code, []byte("so says the host")
		if code == abi.EAUTH {
			r.logged.Fields.Add([]byte("WWW-Authenticate"), []byte(`Digest realm="weir"`))
			r.logged.Fields.Add([]byte("WWW-Authenticate"), []byte(`Basic realm="weir"`))
		}
		a := r.ask("ANNOUNCE", recordURL, "", sdpHead+sdpPicture)
		r.must(a, want)
		if strings.Count(a, "WWW-Authenticate: ") != map[bool]int{true: 2}[code == abi.EAUTH] || !strings.Contains(a, "so says the host") {
			t.Errorf("%v: %q", code, a)
		}
		r.must(r.ask("RECORD", recordURL, "", ""), "455")
		r.logged = abi.Logged{}
		r.must(r.ask("ANNOUNCE", recordURL, "Authorization: Basic dTpw\r\n", sdpHead+sdpPicture), "200")
		if l := r.asked; string(l.Point) != "live" || l.For != abi.LoginPublish || string(l.Method) != "ANNOUNCE" || string(l.URI) != recordURL || string(l.Authorization) != "Basic dTpw" {
			t.Errorf("%+v", l)
		}
	}
}
