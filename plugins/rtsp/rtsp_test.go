package main

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }

// maker is a host for a packager's session. Each event meets a new instance.
type maker struct {
	t       testing.TB
	state   []byte
	headers []abi.Header
	packets []abi.Packet
}

// packager gives a session that makes the rendition, with its header.
func packager(t testing.TB, to string) *maker {
	m := &maker{t: t}
	var h abi.Head
	copy(h.Entropy[:], "\x78\x56\x34\x12\x00\x00\x00\x00\xFF\xFF")
	m.send(&abi.Package{Head: h, Point: []byte("live"), From: []byte(source), To: []byte(to), Generation: 1, Header: make([]byte, 2*tsPacket)})
	return m
}

func (m *maker) send(e abi.Record) {
	m.t.Helper()
	const session = 1
	var w abi.Writer
	w.Reset(make([]byte, abi.UsualBox))
	err := w.Put(session, 0, &abi.State{Blob: m.state})
	if err == nil {
		err = w.Put(session, 0, e)
	}
	out := make([]byte, abi.UsualBox)
	n := newPlugin().Call(w.Bytes(), out)
	var r abi.Reader
	if err == nil && n >= 0 {
		err = r.Reset(out[:n])
	}
	for err == nil && n >= 0 && r.Len() > 0 {
		var raw abi.Raw
		if raw, _, err = r.Next(); err == nil {
			err = m.take(&r, raw)
		}
	}
	if err != nil || n < 0 {
		m.t.Fatalf("%d, %v", n, err)
	}
}

func (m *maker) take(r *abi.Reader, raw abi.Raw) error {
	var err error
	switch x := abi.New(raw.Op).(type) {
	case *abi.SetState:
		err = r.Decode(raw, x)
		m.state = x.Blob
	case *abi.Header:
		err = r.Decode(raw, x)
		m.headers = append(m.headers, *x)
	case *abi.Packet:
		err = r.Decode(raw, x)
		m.packets = append(m.packets, *x)
	case *abi.Metric:
	default:
		m.t.Errorf("%v", raw.Op)
	}
	return err
}

// notes are packets of the sizes given, a second apart, the first key.
func notes(first uint64, sizes ...uint32) *abi.Packets {
	e := &abi.Packets{Head: abi.Head{UnixNano: 1_700_000_000_500_000_000}}
	for i, n := range sizes {
		k := abi.PacketNote{Sequence: first + uint64(i), PTS: int64(i+1) * nanosPerSecond, DTS: int64(i) * nanosPerSecond, Track: 256, Size: n}
		if i == 0 {
			k.Flags = abi.PacketKey | abi.PacketDiscontinuity
		}
		e.Packets.Add(k)
	}
	return e
}

// literals gives the packet's literal bytes.
func literals(k *abi.Pieces) (b []byte) {
	for p := range k.All() {
		if p.Kind == abi.PieceLiteral {
			b = append(b, p.Bytes...)
		}
	}
	return b
}

// TestDatagrams: every packet is one RTP packet of at most seven transport packets, numbered
// without a gap over the end of the numbers; the first alone keeps the source's flags.
func TestDatagrams(t *testing.T) {
	r := packager(t, overUDP)
	if want := mediaLines + "a=ssrc:305419896 cname:weir\r\n"; len(r.headers) != 1 || string(literals(&r.headers[0].Pieces)) != want {
		t.Fatalf("headers %q", r.headers)
	}
	r.send(notes(1, 20*tsPacket, tsPacket))
	r.send(notes(3, most, 100, 0))
	sizes := []int{2 * tsPacket, most, most, 6 * tsPacket, tsPacket, most}
	times := []uint32{0, 0, 0, 0, ticksPerSecond, 0}
	if len(r.packets) != len(sizes) {
		t.Fatalf("%d packets", len(r.packets))
	}
	for i := range r.packets {
		k := &r.packets[i]
		p, err := rtp.Parse(append(literals(&k.Pieces), make([]byte, sizes[i])...))
		want := rtp.Packet{Type: rtp.TypeMP2T, Sequence: uint16(0xFFFF + i), Timestamp: times[i], SSRC: 0x12345678, From: headSize, To: headSize + sizes[i]}
		if err != nil || p != want {
			t.Errorf("packet %d: %+v, %v; want %+v", i, p, err, want)
		}
		if isFirst := i == 0 || i == 5; isFirst != (k.Flags&abi.PacketKey != 0) || isFirst != (k.Flags&abi.PacketDiscontinuity != 0) {
			t.Errorf("packet %d: flags %v", i, k.Flags)
		}
		if sequence, timestamp, known := readTag(k.Tag); sequence != p.Sequence || timestamp != p.Timestamp || !known || k.Track != 256 {
			t.Errorf("packet %d: tag %x, track %d", i, k.Tag, k.Track)
		}
		last := pieceOf(&k.Pieces)
		if i == 0 && last.Kind != abi.PieceHeader || i > 0 && (last.Kind != abi.PiecePacket || int(last.Length) != sizes[i]) {
			t.Errorf("packet %d: %+v", i, last)
		}
	}
	r.send(&abi.Package{Head: abi.Head{}, To: []byte(overUDP), Generation: 2, Header: make([]byte, 3*tsPacket)})
	r.send(notes(6, tsPacket))
	if len(r.headers) != 2 || !bytes.Equal(literals(&r.headers[0].Pieces), literals(&r.headers[1].Pieces)) || pieceOf(&r.packets[6].Pieces).Kind != abi.PieceHeader {
		t.Error("other tables do not go out, or are a new header")
	}
}

// pieceOf gives the packet's last piece.
func pieceOf(k *abi.Pieces) (last abi.Piece) {
	for p := range k.All() {
		last = p
	}
	return last
}

// TestInterleaved: frames of channel 0, whose length is that of the RTP packet, and reports
// on channel 1 each 5 s that count what went before.
func TestInterleaved(t *testing.T) {
	r := packager(t, interleaved)
	r.send(notes(1, most, most, most, most, most, most, most))
	be := binary.BigEndian
	reports := 0
	for i := range r.packets {
		k := &r.packets[i]
		b := literals(&k.Pieces)
		channel, size, ok := rtsp.Frame(b)
		payload := b[rtsp.FrameHead:]
		switch {
		case !ok:
			t.Fatalf("packet %d: %x", i, b)
		case channel == mediaChannel:
			part := int(pieceOf(&k.Pieces).Length)
			if i == 1 {
				part = 2 * tsPacket
			}
			if size != headSize+part || len(payload) != headSize {
				t.Errorf("packet %d: a frame of %d bytes for %d", i, size, part)
			}
		case channel == controlChannel:
			second := uint32(k.DTS / nanosPerSecond)
			if size != reportSize || len(payload) != size || k.Flags != 0 || k.Tag != 0 {
				t.Errorf("packet %d: %d bytes in a frame of %d, flags %v", i, len(payload), size, k.Flags)
			}
			if got, want := be.Uint32(payload[8:]), uint32(1_700_000_000+2_208_988_800); got != want || be.Uint32(payload[12:]) != 1<<31 {
				t.Errorf("NTP %d.%d", got, be.Uint32(payload[12:]))
			}
			if be.Uint32(payload[16:]) != second*ticksPerSecond || be.Uint32(payload[20:]) != [2]uint32{0, 6}[reports] || be.Uint32(payload[24:]) != [2]uint32{0, 2*tsPacket + 5*most}[reports] {
				t.Errorf("report %d: %x", reports, payload)
			}
			reports++
		}
	}
	if reports != 2 || len(r.packets) != 10 {
		t.Errorf("%d reports in %d packets", reports, len(r.packets))
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		ns   int64
		want uint32
	}{{0, 0}, {nanosPerSecond, 90_000}, {11_111, 0}, {11_112, 1}, {1e18, uint32(90_000_000_000_000 % (1 << 32))}, {1 << 62, ticks(1 << 62)}} {
		if got := ticks(c.ns); got != c.want {
			t.Errorf("%d ns are %d ticks, want %d", c.ns, got, c.want)
		}
	}
}

// A packet of a live stream must cost the instance no memory.
func TestPacketsAllocateNothing(t *testing.T) {
	k := packing{ssrc: 7, framed: true}
	frame, out := make([]byte, abi.UsualBox), make([]byte, abi.UsualBox)
	var w abi.Writer
	w.Reset(frame)
	err := w.Put(1, 0, &abi.State{Blob: k.appendTo([]byte{bitPack})})
	if err == nil {
		err = w.Put(1, 0, notes(1, 50*tsPacket, 50*tsPacket, 348*tsPacket))
	}
	if err != nil {
		t.Fatal(err)
	}
	p := newPlugin()
	if n := p.Call(w.Bytes(), out); n < 0 {
		t.Fatalf("call: %v", abi.Code(n))
	}
	if n := testing.AllocsPerRun(100, func() { p.Call(w.Bytes(), out) }); n != 0 {
		t.Errorf("%v allocations for 3 packets", n)
	}
}

// TestOutboxHoldsAWindow: the most that one PACKETS is about, in packets of one transport
// packet and whole ones, finds room.
func TestOutboxHoldsAWindow(t *testing.T) {
	r := packager(t, interleaved)
	var sizes []uint32
	for range 127 {
		sizes = append(sizes, 21*tsPacket+tsPacket)
	}
	r.send(notes(1, append(sizes, 348*tsPacket)...))
	if len(r.packets) < 127*4+50 {
		t.Errorf("%d packets", len(r.packets))
	}
}

func someState() state {
	return state{
		isOpen: true, secure: true, mode: modePlay, local: []byte("192.0.2.1"), point: []byte("live"), base: []byte("rtsp://h/live/"), id: 7, seen: 8,
		pending: pending{kind: kindPlay, hasCSeq: true, cseq: 9, end: 10},
		play: play{phase: playPaused, described: described{is: true, isPlain: true, generation: 5}, isMulticast: true, isRefused: true, isASF: true, lower: rtsp.UDP, waits: waitAttached,
			client: rtsp.Pair{RTP: 1, RTCP: 2, Set: true}, server: rtsp.Pair{RTP: 3, RTCP: 4, Set: true}, flow: 2, next: 4, ssrc: 11,
			tracks: trackPlay{chosen: 3, setting: 2, before: 1, clocks: [tracks]trackClock{{1, 2, 3}, {4, 5, 6}}},
			clock:  clock{isSet: true, timestamp: 12, mono: 13}, tables: []byte("tables")},
	}
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s, k := someState(), packing{ssrc: 1, offset: 2, packets: 3, octets: 4, sequence: 5, framed: true, tables: 6, reported: true, reportDTS: 7}
	for _, x := range []any{s.pending, s.play, s.play.clock, s.play.described, s.play.tracks, k} {
		for v, i := reflect.ValueOf(x), 0; i < v.NumField(); i++ {
			if v.Field(i).IsZero() {
				t.Fatalf("%s is not set here", v.Type().Field(i).Name)
			}
		}
	}
	var got state
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	got, s = state{}, state{pack: k}
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	if (&state{}).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
}

func FuzzState(f *testing.F) {
	s := someState()
	f.Add(s.AppendState(nil))
	s = state{pack: packing{ssrc: 1}}
	f.Add(s.AppendState(nil))
	f.Add([]byte{1, 0, 255, 255})
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s, again state
		if s.ReadState(blob) != nil {
			return
		}
		if b := s.AppendState(nil); len(b) > 0 && (again.ReadState(b) != nil || !bytes.Equal(again.AppendState(nil), b)) {
			t.Fatalf("%x does not come back", blob)
		}
	})
}

// FuzzInput: whatever a peer sends, the plugin goes on, and consumes nothing twice.
func FuzzInput(f *testing.F) {
	f.Add([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x01\x00\x02ab\r\nDESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 2\r\n\r\n"), 7)
	f.Add([]byte("SETUP rtsp://h/live RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=1-2\r\n\r\nPLAY x RTSP/1.0\r\n\r\n"), 1000)
	f.Add([]byte("GET_PARAMETER x RTSP/1.0\r\nContent-Length: 3\r\n\r\nabcTEARDOWN x RTSP/1.0\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		r := sdktest.NewRig(t, newPlugin)
		r.Send(&abi.ConnOpen{Head: r.Head(), Local: []byte("192.0.2.1:554")})
		r.Stream(b, max(1, n))
		if r.Failed != 0 {
			t.Fatalf("failed: %v %s", r.Failed, r.Text)
		}
		r.Send(&abi.Timer{Head: r.Head(), ID: stepTimer})
		r.Send(&abi.Refused{Head: r.Head(), Code: abi.ENOENT, During: abi.OpTimer})
		r.End(abi.EndClosed)
	})
}
