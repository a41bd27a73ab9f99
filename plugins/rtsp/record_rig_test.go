package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/sdktest"
)

// What an encoder announces: picture, and sound of 44.1 kHz.
const (
	sdpHead    = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nt=0 0\r\n"
	sdpPicture = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LADdoFB+wEQAAAAwBAAAAHg8UKqA==,aM4PyA==\r\na=control:streamid=0\r\n"
	sdpSound   = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\na=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=120856E500\r\na=control:streamid=1\r\n"
	recordURL  = "rtsp://192.0.2.1/live"
)

// encoder is a recording session.
type encoder struct {
	*sdktest.Rig
	t      testing.TB
	cseq   int
	asked  *abi.Login // the last one
	logged abi.Logged // what is answered
}

func newEncoder(t testing.TB) *encoder {
	r := &encoder{Rig: sdktest.NewRig(t, newPlugin), t: t}
	r.Renew = true
	r.Send(&abi.ConnOpen{Head: r.Head(), Local: []byte("192.0.2.1:554"), Remote: []byte("192.0.2.9:40000")})
	return r
}

// ask sends a request and gives the answer, for which the step of a pending one is taken.
func (r *encoder) ask(method, url, fields, body string) string {
	r.t.Helper()
	r.Verdicts = nil
	r.cseq++
	if body != "" {
		fields += "Content-Type: application/sdp\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	r.Data([]byte(method+" "+url+" RTSP/1.0\r\nCSeq: "+strconv.Itoa(r.cseq)+"\r\n"+fields+"\r\n"+body), 0)
	if i := slices.IndexFunc(r.Verdicts, func(v abi.Record) bool { return v.Op() == abi.OpLogin }); i >= 0 {
		r.asked = r.Verdicts[i].(*abi.Login)
		r.Send(&r.logged)
	}
	if len(r.written()) == 0 {
		r.Send(&abi.Timer{Head: r.Head(), ID: stepTimer})
	}
	return r.written()
}

// written is what went to the encoder since the last request.
func (r *encoder) written() string {
	var all []byte
	for _, v := range r.Verdicts {
		if w, ok := v.(*abi.Write); ok {
			for p := range w.Pieces.All() {
				all = append(all, p.Bytes...)
			}
		}
	}
	return string(all)
}

func (r *encoder) must(answer, status string) {
	r.t.Helper()
	if !strings.HasPrefix(answer, "RTSP/1.0 "+status+" ") || !strings.Contains(answer, "CSeq: "+strconv.Itoa(r.cseq)+"\r\n") {
		r.t.Fatalf("answered %q, want %s", answer, status)
	}
}

// begin begins a session with channels 0 to 3.
func (r *encoder) begin(media ...string) {
	r.t.Helper()
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+strings.Join(media, "")), "200")
	for i := range media {
		a := r.ask("SETUP", recordURL+"/streamid="+strconv.Itoa(i), "Transport: RTP/AVP/TCP;unicast;interleaved="+strconv.Itoa(2*i)+"-"+strconv.Itoa(2*i+1)+";mode=record\r\n", "")
		r.must(a, "200")
	}
	r.must(r.ask("RECORD", recordURL, "Range: npt=0.000-\r\n", ""), "200")
}

func (r *encoder) frame(channel byte, payload []byte) {
	r.t.Helper()
	r.Data(append([]byte{'$', channel, byte(len(payload) >> 8), byte(len(payload))}, payload...), 0)
}

// recPacket is an RTP packet of payload type 96, or 97 with marker for sound.
func recPacket(kind byte, sequence uint16, timestamp uint32, payload ...byte) []byte {
	b := []byte{0x80, kind}
	b = binary.BigEndian.AppendUint16(b, sequence)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	return append(binary.BigEndian.AppendUint32(b, 0xCAFE0000|uint32(kind)), payload...)
}

// recPicture is one in a packet; recSound an access unit of n bytes.
func recPicture(sequence uint16, timestamp uint32, nal byte) []byte {
	return recPacket(96|0x80, sequence, timestamp, append([]byte{nal, 0x88}, bytes.Repeat([]byte{nal}, 500)...)...)
}

func recSound(sequence uint16, timestamp uint32, n int) []byte {
	b := []byte{0, 16, byte(n >> 5), byte(n << 3)}
	return recPacket(97|0x80, sequence, timestamp, append(b, bytes.Repeat([]byte{0x21}, n)...)...)
}

// recReport is a sender report: that timestamp stands at so many milliseconds.
func recReport(timestamp uint32, ms uint64) []byte {
	b := []byte{0x80, 200, 0, 6, 1, 2, 3, 4}
	b = binary.BigEndian.AppendUint64(b, 0xE0000000<<32+ms<<32/1000)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	return append(b, make([]byte, 8)...)
}

// recTimes gives the presentation times of each stream in what was fed, in milliseconds.
func recTimes(t testing.TB, b []byte) (all [2][]int64) {
	t.Helper()
	var d mpegts.Demux
	for ; len(b) >= mpegts.PacketSize; b = b[mpegts.PacketSize:] {
		r := d.Feed(b)
		if r.Broken || r.Gap || r.Repeat {
			t.Fatalf("%+v", r)
		}
		if r.HasTime {
			i := 0
			if r.Kind == mpegts.Audio {
				i = 1
			}
			all[i] = append(all[i], mpegts.Nanoseconds(r.PTS)/1_000_000)
		}
	}
	if len(b) > 0 || !d.Ready() {
		t.Fatalf("%d bytes are left, tables %v", len(b), d.Ready())
	}
	return all
}
