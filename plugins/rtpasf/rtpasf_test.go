package main

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }

// bench is a host that is made once.
type bench struct {
	state   []byte
	packets [][]byte // payloads of the rendition's, spans resolved
	notes   map[uint64][]byte
	in, out [abi.UsualBox]byte
	w       abi.Writer
	r       abi.Reader
}

// send lets an event happen, and keeps what comes out.
func (h *bench) send(t testing.TB, p *sdk.Plugin, e abi.Record) {
	t.Helper()
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
		switch x := abi.New(raw.Op).(type) {
		case *abi.SetState:
			err = h.r.Decode(raw, x)
			h.state = bytes.Clone(x.Blob)
		case *abi.Packet:
			err = h.r.Decode(raw, x)
			h.packets = append(h.packets, h.resolve(t, &x.Pieces))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (h *bench) resolve(t testing.TB, list *abi.Pieces) (b []byte) {
	t.Helper()
	for p := range list.All() {
		switch p.Kind {
		case abi.PieceLiteral:
			b = append(b, p.Bytes...)
		case abi.PiecePacket:
			of, end := h.notes[p.Packet], p.Offset+uint64(p.Length)
			if p.Length == 0 || end > uint64(len(of)) {
				t.Fatalf("bytes %d to %d of a packet of %d", p.Offset, end, len(of))
			}
			b = append(b, of[p.Offset:end]...)
		}
	}
	return b
}

// bring brings packets, which are numbered from 1.
func (h *bench) bring(t testing.TB, p *sdk.Plugin, packets ...[]byte) {
	t.Helper()
	h.notes = map[uint64][]byte{}
	e := new(abi.Packets)
	for i, b := range packets {
		n := uint64(i + 1)
		h.notes[n] = b
		e.Packets.Add(abi.PacketNote{Sequence: n, DTS: int64(i) << 28, Size: uint32(len(b)), Bytes: b})
	}
	h.send(t, p, e)
}

// film is what ffmpeg pushes, cut into its parts.
func film(t testing.TB, name string) (header []byte, packets [][]byte) {
	t.Helper()
	b, err := os.ReadFile("../../sdk/asf/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		k, need, err := asf.ParseChunk(b, asf.FramedMMS)
		if err != nil || need != 0 || k.Size > len(b) {
			t.Fatalf("%+v %d %v", k, need, err)
		}
		switch k.Kind {
		case asf.ChunkHeader:
			header = b[k.Payload:k.Size]
		case asf.ChunkData:
			packets = append(packets, b[k.Payload:k.Size])
		}
		b = b[k.Size:]
	}
	return header, packets
}

// player puts ASF packets together as MS-RTSP 2.2.1 says.
type player struct {
	packets [][]byte
	part    []byte
	next    uint16
	begun   bool
	reports int
	sent    uint32 // RTP packets
}

// play reads interleaved frames, and checks that nothing is missing of what it gets.
func (x *player) play(t testing.TB, b []byte) {
	t.Helper()
	for len(b) > 0 {
		channel, size, ok := rtsp.Frame(b)
		if !ok || rtsp.FrameHead+size > len(b) {
			t.Fatalf("no frame: % x", b[:min(len(b), 8)])
		}
		frame := b[rtsp.FrameHead:][:size]
		b = b[rtsp.FrameHead+size:]
		if channel == controlChannel {
			x.reports++
			continue
		}
		p, err := rtp.Parse(frame)
		if err != nil || channel != mediaChannel || p.Type != kind || x.begun && p.Sequence != x.next || size > rtp.HeadSize+most {
			t.Fatalf("channel %d: %+v of %d bytes, %d expected (%v)", channel, p, size, x.next, err)
		}
		x.begun, x.next = true, p.Sequence+1
		x.sent++
		x.payload(t, frame[p.From:p.To], p.Marker)
	}
}

func (x *player) payload(t testing.TB, b []byte, marker bool) {
	t.Helper()
	value := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if b[0]&isAll != 0 {
		if value != len(b) || !marker || len(x.part) > 0 {
			t.Fatalf("a packet of %d bytes says %d, marker %v, behind %d bytes of another", len(b), value, marker, len(x.part))
		}
	} else if value != len(x.part) {
		t.Fatalf("a part says %d, %d bytes came before", value, len(x.part))
	}
	x.part = append(x.part, b[payloadHead:]...)
	if marker {
		x.packets, x.part = append(x.packets, x.part), nil
	}
}

// TestFilm: players get each payload of each packet, in packets that have no padding, whole
// or in parts.
func TestFilm(t *testing.T) {
	for _, name := range []string{"wmv2.asfstream", "msmpeg4.asfstream", "audio.asfstream"} {
		header, packets := film(t, name)
		h, err := asf.ParseHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		var b bench
		b.send(t, newPlugin(), &abi.Package{Header: header})
		b.bring(t, newPlugin(), packets...)
		var x player
		for _, k := range b.packets {
			x.play(t, k)
		}
		if len(x.packets) != len(packets) || x.reports == 0 {
			t.Fatalf("%s: %d packets of %d, %d reports", name, len(x.packets), len(packets), x.reports)
		}
		for i, got := range x.packets {
			same(t, packets[i], got, h.PacketSize)
		}
	}
}

// same: nothing but the padding is gone.
func same(t testing.TB, a, b []byte, size int) {
	t.Helper()
	var p, q asf.Packet
	if err := errors.Join(asf.ParsePacket(a, size, &p), asf.ParsePacket(b, size, &q)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a[p.SendTimeAt:p.PaddingAt], b[q.SendTimeAt:]) || q.PaddingAt != len(b) {
		t.Fatalf("% x\nis not % x", b, a)
	}
}

// TestParts: a packet that is too long for one RTP packet goes in several, and what is no
// packet does not go.
func TestParts(t *testing.T) {
	const size = 3*most + 100
	header, _ := film(t, "wmv2.asfstream")
	header = bytes.Clone(header)
	at := bytes.Index(header, []byte("\x80\x0C\x00\x00\x80\x0C\x00\x00")) // 3200, twice
	for _, i := range []int{at, at + 4} {
		header[i], header[i+1] = size&0xFF, size>>8
	}
	packet := make([]byte, size)
	copy(packet, "\x82\x00\x00\x10\x5D\x05\x00\x00\x00\x00\x00\x00\x00\x81\x07\x00\x00\x00\x00\x08\x00\x00\x01\x00\x00\x00\x00\x00")
	for i := 28; i < size-5; i++ {
		packet[i] = byte(i)
	}
	var b bench
	var x player
	b.send(t, newPlugin(), &abi.Package{Header: header})
	b.bring(t, newPlugin(), []byte("no packet"), packet, make([]byte, size+1))
	for _, k := range b.packets {
		x.play(t, k)
	}
	if len(x.packets) != 1 || x.sent != 4 {
		t.Fatalf("%d packets in %d parts", len(x.packets), x.sent)
	}
	same(t, packet, x.packets[0], size)
}

// A packet of a live stream must cost the instance no memory.
func TestPacketsAllocateNothing(t *testing.T) {
	header, packets := film(t, "wmv2.asfstream")
	var b bench
	p := newPlugin()
	b.send(t, p, &abi.Package{Header: header})
	e := new(abi.Packets)
	for i, k := range packets {
		e.Packets.Add(abi.PacketNote{Sequence: uint64(i), Size: uint32(len(k)), Bytes: k})
	}
	b.w.Reset(b.in[:])
	if err := errors.Join(b.w.Put(1, 0, &abi.State{Blob: b.state}), b.w.Put(1, 0, e)); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { p.Call(b.w.Bytes(), b.out[:]) }); n != 0 {
		t.Errorf("%v allocations for %d packets", n, len(packets))
	}
}

func someState() packing {
	return packing{ssrc: 1, packets: 2, octets: 3, sequence: 4, size: 3200, reported: true, report: 5}
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	k, got := someState(), packing{}
	for v, i := reflect.ValueOf(k), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	if err := got.ReadState(k.AppendState(nil)); err != nil || got != k {
		t.Errorf("comes back as %+v (%v)", got, err)
	}
	if new(packing).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
}

func FuzzState(f *testing.F) {
	k := someState()
	f.Add(k.AppendState(nil))
	f.Add([]byte(strings.Repeat("\xFF", packingSize)))
	f.Fuzz(func(t *testing.T, blob []byte) {
		var k, again packing
		if k.ReadState(blob) != nil {
			return
		}
		if b := k.AppendState(nil); !bytes.Equal(b, blob) || again.ReadState(b) != nil || again != k {
			t.Fatalf("%x does not come back", blob)
		}
	})
}

// FuzzPackets: whatever a source brings, what goes out is whole frames of whole packets, and
// the state is one that can be read.
func FuzzPackets(f *testing.F) {
	header, packets := film(f, "wmv2.asfstream")
	f.Add(header, packets[0], packets[1])
	f.Add(header, packets[len(packets)-1], []byte("\x82\x00\x00\x00\x5D\x00\x00\x00\x00\x00\x00\x81\x07\x00\x00\x00\x00\x00"))
	header, packets = film(f, "audio.asfstream")
	f.Add(header, packets[0], []byte{})
	p := newPlugin()
	var b bench
	f.Fuzz(func(t *testing.T, header, one, two []byte) {
		b.state, b.packets = nil, nil
		b.send(t, p, &abi.Package{Header: header[:min(len(header), 64<<10)]})
		if len(b.state) == 0 { // it is no header
			return
		}
		one, two = one[:min(len(one), 64<<10)], two[:min(len(two), 64<<10)]
		b.bring(t, p, one, two, one)
		b.bring(t, p, two)
		var x player
		for _, k := range b.packets {
			x.play(t, k)
		}
		if len(x.part) > 0 {
			t.Fatalf("%d bytes of a packet that does not end", len(x.part))
		}
	})
}
