package main

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
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

func TestRecord(t *testing.T) {
	r := newEncoder(t)
	r.begin(sdpPicture, sdpSound)
	if i := slices.IndexFunc(r.Verdicts, func(v abi.Record) bool { return v.Op() == abi.OpPublish }); i < 0 {
		t.Error("nothing is published")
	} else if p := r.Verdicts[i].(*abi.Publish); string(p.Point) != "live" || string(p.Format) != "bytes:mpegts" {
		t.Errorf("%+v", p)
	}
	r.frame(0, recPicture(1, 1000, 0x65))
	r.frame(2, recSound(1, 500, 100))
	r.frame(0, recPicture(2, 1000+9000, 0x61))
	r.frame(2, recSound(2, 500+4410, 100))
	r.frame(2, recPacket(98, 3, 500, 1, 2, 3)) // of another type
	r.frame(9, recSound(3, 500, 100))          // of no channel
	got := recTimes(t, r.Fed)
	if want := [2][]int64{{2000, 2100}, {2000, 2100}}; !reflect.DeepEqual(got, want) {
		t.Errorf("pictures and sound at %v ms, want %v", got, want)
	}
	answer := r.ask("TEARDOWN", recordURL, "", "")
	r.must(answer, "200")
	if c, ok := r.Verdicts[len(r.Verdicts)-1].(*abi.Close); !ok || c.Conn != 0 || c.Mode != abi.CloseFlush {
		t.Errorf("%v", r.Verdicts)
	}
}

// TestSynchronised: sender reports say what belongs together, whether they come before the
// media or behind. Sound that is moved back does not go back: what comes too late is left out.
func TestSynchronised(t *testing.T) {
	// Sound begins 250 ms before the picture.
	before, behind := newEncoder(t), newEncoder(t)
	for _, r := range []*encoder{before, behind} {
		r.begin(sdpPicture, sdpSound)
	}
	before.frame(1, recReport(90_000, 5000))
	before.frame(3, recReport(44_100, 5000))
	for i := range 5 {
		at := uint32(i)
		for _, r := range []*encoder{before, behind} {
			r.frame(0, recPicture(uint16(i), 90_000+at*9000, 0x65))
			r.frame(2, recSound(uint16(i), 44_100-11_025+at*4410, 50))
		}
		if i == 1 {
			behind.frame(1, recReport(90_000+9000, 5100))
			behind.frame(3, recReport(44_100, 5000))
		}
	}
	if got, want := recTimes(t, before.Fed), ([2][]int64{{2000, 2100, 2200, 2300, 2400}, {1750, 1850, 1950, 2050, 2150}}); !reflect.DeepEqual(got, want) {
		t.Errorf("reports first: %v, want %v", got, want)
	}
	if got, want := recTimes(t, behind.Fed), ([2][]int64{{2000, 2100, 2200, 2300, 2400}, {2000, 2100, 2150}}); !reflect.DeepEqual(got, want) {
		t.Errorf("reports behind: %v, want %v", got, want)
	}
}

// TestTimestampsBeginAnew: the timeline goes on.
func TestTimestampsBeginAnew(t *testing.T) {
	r := newEncoder(t)
	r.begin(sdpPicture)
	for i, at := range []uint32{0xFFFFFF00, 9000 - 0x100, 77_000_000, 77_009_000} { // over the end of 32 bits
		r.frame(0, recPicture(uint16(i), at, 0x65))
	}
	if got, want := recTimes(t, r.Fed)[0], ([]int64{2000, 2100, 2140, 2240}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// byFlows begins a session whose one track comes by UDP.
func (r *encoder) byFlows(t testing.TB) {
	t.Helper()
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+sdpPicture), "200")
	if a := r.ask("SETUP", recordURL+"/streamid=0", "Transport: RTP/AVP/UDP;unicast;client_port=5000-5001;mode=record\r\n", ""); a != "" {
		t.Fatalf("answered %q before the flows are there", a)
	}
	dials := 0
	for _, v := range r.Verdicts {
		if d, ok := v.(*abi.Dial); ok {
			dials++
			if want := []string{"", "", "udp://peer:5000", "udp://peer:5001?odd"}[d.Conn]; string(d.URL) != want {
				t.Errorf("dials %q, want %q", d.URL, want)
			}
		}
	}
	for conn, local := range map[uint32]string{2: "192.0.2.1:6000", 3: "192.0.2.1:6001"} {
		h := r.Head()
		h.Conn = conn
		r.Send(&abi.Dialed{Head: h, Local: []byte(local)})
	}
	if a := r.written(); dials != 2 || !strings.Contains(a, "server_port=6000-6001") {
		t.Fatalf("%d dials, answered %q", dials, a)
	}
	r.must(r.ask("RECORD", recordURL, "", ""), "200")
}

func (r *encoder) datagrams(conn uint32, list ...[]byte) {
	r.t.Helper()
	e := &abi.Datagrams{Head: r.Head(), Bytes: bytes.Join(list, nil)}
	e.Conn = conn
	for _, b := range list {
		e.Datagrams.Add(abi.DatagramNote{Size: uint32(len(b))})
	}
	r.Send(e)
}

// TestDatagramsInOrder: what comes out of order is put in order, over events.
func TestDatagramsInOrder(t *testing.T) {
	var list [][]byte
	for i := range 12 {
		list = append(list, recPicture(uint16(i), uint32(i)*9000, 0x65))
	}
	straight, crooked := newEncoder(t), newEncoder(t)
	straight.byFlows(t)
	crooked.byFlows(t)
	straight.datagrams(2, list...)
	for _, event := range [][]int{{0, 2}, {3, 1}, {5}, {4, 4}, {7, 8, 6, 11}, {10}, {9}} {
		var some [][]byte
		for _, i := range event {
			some = append(some, list[i])
		}
		crooked.datagrams(2, some...)
	}
	if len(straight.Fed) == 0 || !bytes.Equal(straight.Fed, crooked.Fed) {
		t.Errorf("in order %d bytes, out of order %d", len(straight.Fed), len(crooked.Fed))
	}
	straight.Verdicts = nil
	straight.Send(&abi.Timer{Head: straight.Head(), ID: reportTimer})
	sent := false
	for _, v := range straight.Verdicts {
		if s, ok := v.(*abi.Send); ok && s.Conn == 3 {
			sent = true
		}
	}
	if !sent {
		t.Errorf("no receiver report: %v", straight.Verdicts)
	}
}

// TestSilentEncoder ends.
func TestSilentEncoder(t *testing.T) {
	r := newEncoder(t)
	r.begin(sdpPicture)
	r.Verdicts = nil
	h := r.Head()
	h.MonoNano = quiet
	r.Send(&abi.Timer{Head: h, ID: reportTimer})
	if c, ok := r.Verdicts[0].(*abi.Close); !ok || !strings.Contains(string(c.Reason), "nothing") {
		t.Errorf("%v", r.Verdicts)
	}
}

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

// someRecording has no field that is zero.
func someRecording() recording {
	r := recording{phase: recLive, heard: 7}
	r.setup = flowSetup{track: 1, opened: 3, lower: rtsp.UDP, client: rtsp.Pair{RTP: 5000, RTCP: 5001, Set: true}, server: rtsp.Pair{RTP: 6000, RTCP: 6001, Set: true}}
	for i, c := range []coding{codingH264, codingAAC} {
		t := medium{coding: c, kind: uint8(96 + i), stream: uint8(i), by: byFlow, rtp: 2, rtcp: 3, control: []byte("streamid=0")}
		t.clock = mediaClock{rate: 90_000, started: true, reported: true, first: 1, last: 2, base: 3, report: rtp.Report{SSRC: 4, NTP: 5, Timestamp: 6}, heard: 7}
		t.in = input{began: true, ssrc: 1, highest: 70_000, told: 3, lost: 4, toldLost: 5, held: []byte("waits")}
		for _, n := range []uint16{1, 3} {
			t.in.window.Push(&rtp.Packet{Sequence: n, SSRC: 7}, rtp.Span{Offset: 1, Size: 2}, 1)
			t.in.window.Pop()
		}
		r.tracks = append(r.tracks, t)
	}
	_ = r.tracks[1].aac.Configure([]byte{0x12, 0x08})
	r.tracks[0].h264.Sprop([]byte("Z0LADdoFB+wEQAAAAwBAAAAHg8UKqA==,aM4PyA=="))
	r.tracks[0].order.Next(9000, 1)
	r.program()
	return r
}

func TestRecordingKeepsEveryField(t *testing.T) {
	r := someRecording()
	for v, i := reflect.ValueOf(r), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	b := r.appendTo(nil)
	var again recording
	rest, err := again.readFrom(append(b, "rest"...))
	if err != nil || string(rest) != "rest" || !bytes.Equal(again.appendTo(nil), b) {
		t.Fatalf("%v, %q\n%+v\n%+v", err, rest, again, r)
	}
	for i := range r.tracks {
		x, y := r.tracks[i], again.tracks[i]
		if !reflect.DeepEqual(x.clock, y.clock) || !reflect.DeepEqual(x.in, y.in) || string(x.control) != string(y.control) || x.by != y.by || x.stream != y.stream {
			t.Errorf("%+v\n%+v", x, y)
		}
	}
	if again.setup != r.setup || again.heard != r.heard {
		t.Errorf("%+v", again)
	}
	for n := 1; n < len(b); n++ {
		if _, err := new(recording).readFrom(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes pass for a state", n, len(b))
		}
	}
	if len((&recording{}).appendTo(nil)) != 0 {
		t.Error("the zero value is stored")
	}
}

func FuzzRecordingState(f *testing.F) {
	r := someRecording()
	f.Add(r.appendTo(nil), []byte("some"))
	f.Fuzz(func(t *testing.T, b, media []byte) {
		var r, again recording
		if _, err := r.readFrom(b); err != nil || len(b) == 0 {
			return
		}
		own := r.appendTo(nil)
		if rest, err := again.readFrom(own); err != nil || len(rest) > 0 || !bytes.Equal(again.appendTo(nil), own) {
			t.Fatalf("%x comes back as %x, %v", own, again.appendTo(nil), err)
		}
		for i := range r.tracks {
			k := unitSink{r: &r, t: &r.tracks[i]}
			k.datagram(recPacket(k.t.kind, 5, 9, media...), 1)
			r.report(k.t, media, 1)
		}
	})
}

// FuzzRecord: whatever comes in frames, what is fed are whole packets of a transport stream.
func FuzzRecord(f *testing.F) {
	var some []byte
	for i, b := range [][]byte{recPicture(1, 9, 0x65), recReport(9, 1), recSound(1, 9, 30), recPacket(96, 2, 900, 0x7C, 0x81, 9, 9), recPacket(96, 3, 900, 0x7C, 0x41, 9)} {
		some = append(append(some, '$', byte(i&3), byte(len(b)>>8), byte(len(b))), b...)
	}
	f.Add(some)
	f.Add([]byte("$\x00\x00\x0dTEARDOWN"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newEncoder(t)
		r.Renew = false
		r.begin(sdpPicture, sdpSound)
		r.Data(b, 0)
		if len(r.Fed) > 0 {
			recTimes(t, r.Fed)
		}
	})
}

// TestTransportStreamPasses: what is one already is fed as it is.
func TestTransportStreamPasses(t *testing.T) {
	ts := bytes.Repeat(append([]byte{'G', 0x1F, 0xFF, 0x10}, make([]byte, 184)...), 7)
	r := newEncoder(t)
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+"m=video 0 RTP/AVP 33\r\n"), "200")
	r.must(r.ask("SETUP", recordURL, "Transport: RTP/AVP/TCP;unicast;interleaved=4-5;mode=record\r\n", ""), "200")
	r.must(r.ask("RECORD", recordURL, "", ""), "200")
	r.frame(4, recPacket(33, 1, 0, ts...))
	r.frame(4, recPacket(33, 2, 0))
	r.frame(4, recPacket(33, 3, 0, ts[:376]...))
	if want := append(bytes.Clone(ts), ts[:376]...); !bytes.Equal(r.Fed, want) {
		t.Errorf("fed %d bytes, want %d", len(r.Fed), len(want))
	}
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
