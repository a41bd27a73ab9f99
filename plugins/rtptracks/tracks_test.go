package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }

// sample is a transport stream of ffmpeg's as the source rendition brings it.
type sample struct {
	tables []byte
	notes  []abi.PacketNote
}

func load(t testing.TB, name string) (s sample) {
	t.Helper()
	b, err := os.ReadFile("../../sdk/mpegts/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return cut(b)
}

func cut(b []byte) (s sample) {
	var d mpegts.Demux
	for ; len(b) >= mpegts.PacketSize; b = b[mpegts.PacketSize:] {
		r := d.Feed(b)
		if r.Cut {
			n := abi.PacketNote{Sequence: uint64(len(s.notes) + 1), PTS: mpegts.Nanoseconds(r.PTS), DTS: mpegts.Nanoseconds(r.DTS)}
			if r.Key {
				n.Flags = abi.PacketKey
			}
			s.notes = append(s.notes, n)
		}
		if i := len(s.notes) - 1; i >= 0 {
			s.notes[i].Bytes = append(s.notes[i].Bytes, b[:mpegts.PacketSize]...)
			s.notes[i].Size = uint32(len(s.notes[i].Bytes))
		}
	}
	s.tables = bytes.Clone(d.PSI())
	return s
}

// through brings a stream, so many packets at once, each event to a new instance.
func (s *sample) through(t testing.TB, most int) *sdktest.Rig {
	r := sdktest.NewRig(t, newPlugin)
	r.Renew = true
	var h abi.Head
	copy(h.Entropy[:], "\x01\x00\x00\x00\xFE\xFF\x02\x00\x00\x00\x05\x00\x00\xFF\xFF\xFF")
	r.Send(&abi.Package{Head: h, Point: []byte("live"), From: []byte("mpegts"), To: []byte("rtp-tracks"), Generation: 1, Header: s.tables})
	for list := range slices.Chunk(s.notes, most) {
		e := &abi.Packets{Head: abi.Head{UnixNano: 1_700_000_000_000_000_000 + list[0].DTS}}
		for _, n := range list {
			e.Packets.Add(n)
		}
		r.Send(e)
	}
	if r.Failed != 0 {
		t.Fatalf("%v %s", r.Failed, r.Text)
	}
	return r
}

// heard is what a player gets of one track.
type heard struct {
	packets []rtp.Packet
	es      []byte
	keys    int
	stamps  []uint32 // of units
	reports []rtp.Report
}

// Begin takes a unit's head.
func (h *heard) Begin(u rtp.Unit) {
	h.stamps = append(h.stamps, u.Timestamp)
	if u.Key {
		h.keys++
	}
}

// Write takes a unit's bytes.
func (h *heard) Write(b []byte) { h.es = append(h.es, b...) }

// End takes a unit's end.
func (h *heard) End() {}

// play reads interleaved frames as a player does.
func play(t testing.TB, r *sdktest.Rig, config []byte) (h [streams]heard) {
	var d rtp.H264
	var a rtp.AAC
	if err := a.Configure(config); err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Packets {
		for b := k.Payload; len(b) > 0; {
			channel, size, ok := rtsp.Frame(b)
			if !ok || rtsp.FrameHead+size > len(b) {
				t.Fatalf("no frame: % x", b[:min(len(b), 8)])
			}
			frame := b[rtsp.FrameHead:][:size]
			b = b[rtsp.FrameHead+size:]
			x := &h[channel/2]
			if channel%2 == 1 {
				report, ok := rtp.SenderReport(frame)
				if !ok {
					t.Fatalf("no report: % x", frame)
				}
				x.reports = append(x.reports, report)
				continue
			}
			p, err := rtp.Parse(frame)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(x.packets); n > 0 && p.Sequence != x.packets[n-1].Sequence+1 {
				t.Fatalf("packet %d behind %d", p.Sequence, x.packets[n-1].Sequence)
			}
			x.packets = append(x.packets, p)
			if payload := frame[p.From:p.To]; channel == 0 {
				d.Push(&p, payload, false, x)
			} else {
				a.Push(&p, payload, false, x)
			}
		}
	}
	if d.Odd+a.Odd != 0 {
		t.Errorf("%d and %d packets are odd", d.Odd, a.Odd)
	}
	return h
}

// elementary gives the bytes of one elementary stream.
func (s *sample) elementary(pid uint16) (es []byte) {
	for _, n := range s.notes {
		for b := n.Bytes; len(b) > 0; b = b[mpegts.PacketSize:] {
			if e, ok := mpegts.ReadElementary(b); ok && e.PID == pid {
				es = append(es, b[e.From:mpegts.PacketSize]...)
			}
		}
	}
	return es
}

// units splits a byte stream into NAL units, without delimiters and parameter sets.
func units(es []byte) (all [][]byte) {
	for _, u := range bytes.Split(es, []byte{0, 0, 1})[1:] {
		if u = bytes.TrimRight(u, "\x00"); u[0]&0x1F != 9 && u[0]&0x1F != 7 && u[0]&0x1F != 8 {
			all = append(all, u)
		}
	}
	return all
}

// TestTracks: players get each NAL unit and each frame of sound that the encoder sent, at
// the same times, however the packets came.
func TestTracks(t *testing.T) {
	const gop = 10 // pictures
	s := load(t, "h264.ts")
	for _, most := range []int{1, 3, len(s.notes)} {
		r := s.through(t, most)
		if len(r.Headers) != 2 || string(r.Headers[0]) != pending {
			t.Fatalf("%d headers: %q", len(r.Headers), r.Headers)
		}
		header := string(r.Headers[1])
		for _, want := range []string{
			"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42c0",
			";sprop-parameter-sets=Z0LA", ",aM", "\r\na=control:trackID=1\r\na=ssrc:1 cname:weir\r\na=mediaclk:direct=4294967040\r\n",
			"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\na=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1208\r\n",
			"a=control:trackID=2\r\na=ssrc:2 cname:weir\r\na=mediaclk:direct=2147483392\r\n",
		} {
			if !strings.Contains(header, want) {
				t.Errorf("header %q has no %q", header, want)
			}
		}
		h := play(t, r, []byte{0x12, 0x08})
		// All goes out from the first key picture on that comes behind the first sound, or with it;
		// the last picture, whose end is not known yet, is held.
		missed := gop
		if most == len(s.notes) {
			missed = 0
		}
		want := units(s.elementary(256))
		got := units(h[pictures].es)
		want = want[slices.IndexFunc(want, func(u []byte) bool { return bytes.Equal(u, got[0]) }):]
		if len(h[pictures].stamps) != len(s.notes)-missed-1 || len(got) != len(want)-2 || !slices.EqualFunc(got, want[:len(got)], bytes.Equal) {
			t.Errorf("%d at once: %d pictures, %d NAL units of %d", most, len(h[pictures].stamps), len(got), len(want))
		}
		if es := s.elementary(257); !bytes.Contains(es, h[sound].es) || len(es)-len(h[sound].es) > 1000 {
			t.Errorf("%d at once: %d bytes of sound of %d", most, len(h[sound].es), len(es))
		}
		checkTimes(t, &s, missed, r, &h)
	}
}

// checkTimes: pictures and sound have the times of the stream, and reports join them.
func checkTimes(t *testing.T, s *sample, missed int, r *sdktest.Rig, h *[streams]heard) {
	t.Helper()
	var offset, half uint32 = 0xFFFFFF00, 1 << 31
	notes := s.notes[missed:]
	for i, stamp := range h[pictures].stamps {
		if want := uint32(ticks(notes[i].PTS)+1) + offset; stamp-want+1 > 2 {
			t.Fatalf("picture %d has %d, want %d", i, stamp, want)
		}
	}
	if first, times := h[sound].stamps[0]-(offset+half), soundTimes(s.notes); !slices.ContainsFunc(times, func(pts int64) bool { return uint32(pts*441/900)-first+1 < 3 }) {
		t.Errorf("sound begins at %d, which is none of %v", first, times)
	}
	keys := 0
	for _, k := range r.Packets {
		if k.Flags&abi.PacketKey == 0 {
			continue
		}
		keys++
		p, err := rtp.Parse(k.Payload[2*(rtsp.FrameHead+rtp.SenderReportSize)+rtsp.FrameHead:])
		if channel, _, ok := rtsp.Frame(k.Payload); !ok || channel != 1 || err != nil || p.Type != typeH264 || uint16(k.Tag) != p.Sequence || k.Tag&tagKnown == 0 {
			t.Errorf("a key packet begins with channel %d, then %+v (%v), tag %x", channel, p, err, k.Tag)
		}
	}
	if n := len(h[pictures].reports); keys != len(notes)/10 || h[pictures].keys != keys || n < keys || n != len(h[sound].reports) {
		t.Errorf("%d and %d keys, %d reports", keys, h[pictures].keys, n)
	}
	for i, p := range h[pictures].reports {
		q := h[sound].reports[i]
		dts := int64(p.Timestamp-offset) * 1000 / 90 // µs
		if other := int64(q.Timestamp-(offset+half)) * 10_000 / 441; p.NTP != q.NTP || other-dts > 30 || dts-other > 30 {
			t.Errorf("report %d: pictures at %d µs, sound at %d µs", i, dts, other)
		}
	}
}

// soundTimes are those of the PES packets, ticks of 90 kHz.
func soundTimes(notes []abi.PacketNote) (all []int64) {
	for _, n := range notes {
		for b := n.Bytes; len(b) > 0; b = b[mpegts.PacketSize:] {
			if e, ok := mpegts.ReadElementary(b); ok && e.PID == 257 && e.HasTime {
				all = append(all, e.PTS)
			}
		}
	}
	return all
}

// TestOthers: a point without pictures is sound alone, one of which nothing is known says
// what it has.
func TestOthers(t *testing.T) {
	for name, want := range map[string]string{"audio.ts": "m=audio 0 RTP/AVP 97\r\n", "mpeg2.ts": "m=audio 0 RTP/AVP 14\r\na=rtpmap:14 MPA/90000\r\n", "hevc.ts": "a=x-carries:h265\r\n"} {
		s := load(t, name)
		r := s.through(t, 2)
		if !strings.HasPrefix(string(r.Headers[len(r.Headers)-1]), want) {
			t.Errorf("%s: %q", name, r.Headers)
		}
		keys := slices.ContainsFunc(r.Packets, func(k sdktest.Packet) bool { return k.Flags&abi.PacketKey != 0 })
		if isPlayed := name != "hevc.ts"; isPlayed != keys || len(r.Packets) < 4 {
			t.Errorf("%s: %d packets, keys %v", name, len(r.Packets), keys)
		}
	}
}

// TestChanges: another programme is described anew, what stays goes on.
func TestChanges(t *testing.T) {
	s, other := load(t, "h264.ts"), load(t, "audio.ts")
	r := s.through(t, 100)
	before := len(r.Packets)
	r.Send(&abi.Package{Generation: 2, Header: other.tables})
	r.Send(packets(other.notes[:5]))
	if len(r.Headers) != 4 || !strings.HasPrefix(string(r.Headers[3]), "m=audio") || len(r.Packets) == before {
		t.Errorf("%d packets, headers %q", len(r.Packets), r.Headers)
	}
	r.Send(&abi.Package{Generation: 3, Header: s.tables})
	r.Send(packets(s.notes))
	if len(r.Headers) != 6 || !bytes.Equal(r.Headers[5], r.Headers[1]) {
		t.Errorf("headers %q", r.Headers)
	}
}

func packets(list []abi.PacketNote) *abi.Packets {
	e := new(abi.Packets)
	for _, n := range list {
		e.Packets.Add(n)
	}
	return e
}

// TestLoss: of a picture with a gap in it nothing goes out behind the gap, and the numbers
// tell it.
func TestLoss(t *testing.T) {
	s := load(t, "h264.ts")
	n := &s.notes[10]
	for at := mpegts.PacketSize; at < len(n.Bytes); at += mpegts.PacketSize {
		if e, ok := mpegts.ReadElementary(n.Bytes[at:]); ok && e.PID == 256 {
			n.Bytes = slices.Delete(slices.Clone(n.Bytes), at, at+mpegts.PacketSize)
			break
		}
	}
	n.Size = uint32(len(n.Bytes))
	r := s.through(t, 4)
	gaps, last := 0, -1
	for _, k := range r.Packets {
		for b := k.Payload; len(b) > 0; {
			channel, size, _ := rtsp.Frame(b)
			if channel == 0 {
				number := int(binary.BigEndian.Uint16(b[rtsp.FrameHead+2:]))
				if last >= 0 && uint16(number) != uint16(last+1) {
					gaps++
				}
				last = number
			}
			b = b[rtsp.FrameHead+size:]
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
}

// A packet of a live stream must cost the instance no memory.
func TestPacketsAllocateNothing(t *testing.T) {
	s := load(t, "h264.ts")
	r := s.through(t, 100)
	in, out := make([]byte, abi.UsualBox), make([]byte, abi.UsualBox)
	p := newPlugin()
	cost := func(list []abi.PacketNote) float64 { // with what it costs to read a state that is not the last one
		var w abi.Writer
		w.Reset(in)
		if err := w.Put(1, 0, &abi.State{Blob: r.State}); err != nil {
			t.Fatal(err)
		}
		if err := w.Put(1, 0, packets(list)); err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(100, func() {
			if n := p.Call(w.Bytes(), out); n < 0 {
				t.Fatalf("call: %v", abi.Code(n))
			}
		})
	}
	all := cost(s.notes)
	if one := cost(s.notes[:1]); all > one {
		t.Errorf("%v allocations for one packet, %v for %d", one, all, len(s.notes))
	}
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := load(t, "h264.ts")
	var k, got packing
	if err := k.ReadState(s.through(t, 7).State); err != nil {
		t.Fatal(err)
	}
	k.headed, k.waiting, k.key, k.jump, k.placed, k.barren = true, true, true, true, true, true
	k.tracks[sound].left = 9
	for v, i := reflect.ValueOf(k), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	blob := k.AppendState(nil)
	if err := got.ReadState(blob); err != nil || !bytes.Equal(got.AppendState(nil), blob) || got.tracks != k.tracks || got.since != k.since || got.anchor != k.anchor || got.report != k.report {
		t.Errorf("comes back as %+v (%v)", got, err)
	}
}

func FuzzState(f *testing.F) {
	s := load(f, "h264.ts")
	f.Add(s.through(f, 9).State)
	f.Fuzz(func(t *testing.T, blob []byte) {
		var k, again packing
		if k.ReadState(blob) != nil {
			return
		}
		if b := k.AppendState(nil); again.ReadState(b) != nil || !bytes.Equal(again.AppendState(nil), b) {
			t.Fatalf("%x does not come back", blob)
		}
	})
}

// FuzzPackets: whatever a source brings, what goes out is whole frames, and the state is one
// that can be read.
func FuzzPackets(f *testing.F) {
	s := load(f, "h264.ts")
	audio := load(f, "mpeg2.ts")
	f.Add(s.tables, slices.Concat(s.notes[0].Bytes, s.notes[1].Bytes, s.notes[2].Bytes), uint8(3))
	f.Add(audio.tables, slices.Concat(audio.notes[0].Bytes, audio.notes[1].Bytes), uint8(1))
	p := newPlugin()
	var h bench
	f.Fuzz(func(t *testing.T, tables, b []byte, most uint8) {
		h.state = nil
		h.send(t, p, &abi.Package{Header: tables[:min(len(tables), 8*mpegts.PacketSize)]})
		for i := int64(0); len(b) >= mpegts.PacketSize && i < 20; i++ {
			n := min(int(most)+1, len(b)/mpegts.PacketSize) * mpegts.PacketSize
			h.send(t, p, packets([]abi.PacketNote{{Sequence: uint64(i), Flags: abi.PacketFlags(i) & 3, PTS: i << 30, DTS: i << 30, Size: uint32(n), Bytes: b[:n]}}))
			b = b[n:]
		}
	})
}

// bench is a host that is made once.
type bench struct {
	state   []byte
	in, out [abi.UsualBox]byte
	w       abi.Writer
	r       abi.Reader
	pieces  abi.Packet
}

// send lets an event happen, and looks at what comes out.
func (h *bench) send(t *testing.T, p *sdk.Plugin, e abi.Record) {
	h.w.Reset(h.in[:])
	if err := errors.Join(h.w.Put(1, 0, &abi.State{Blob: h.state}), h.w.Put(1, 0, e)); err != nil {
		t.Fatal(err)
	}
	n := p.Call(h.w.Bytes(), h.out[:])
	if n < 0 || h.r.Reset(h.out[:n]) != nil {
		t.Fatalf("%v", abi.Code(n))
	}
	for h.r.Len() > 0 {
		raw, _, err := h.r.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch raw.Op {
		case abi.OpFail:
			t.Fatal("failed")
		case abi.OpSetState:
			var x abi.SetState
			err = h.r.Decode(raw, &x)
			h.state = append(h.state[:0], x.Blob...)
		case abi.OpPacket:
			err = h.r.Decode(raw, &h.pieces)
			areFrames(t, literals(&h.pieces.Pieces))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func literals(k *abi.Pieces) (b []byte) {
	for p := range k.All() {
		b = append(b, p.Bytes...)
	}
	return b
}

// areFrames: nothing but whole frames of channels that there are.
func areFrames(t *testing.T, b []byte) {
	for len(b) > 0 {
		channel, size, ok := rtsp.Frame(b)
		if !ok || channel >= 2*streams || rtsp.FrameHead+size > len(b) {
			t.Fatalf("no frame: % x", b)
		}
		b = b[rtsp.FrameHead+size:]
	}
}
