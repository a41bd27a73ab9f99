package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdktest"
)

const (
	pipe = "../../sdk/asf/testdata/wmv2-pipe.asf"
	file = "../../sdk/asf/testdata/file-1400.asf"
)

// cut parses a plain ASF stream by itself: header and packets.
func cut(t testing.TB, b []byte) (h asf.Header, header []byte, packets [][]byte) {
	t.Helper()
	h, err := asf.ParseHeader(b)
	sdktest.Must(t, err)
	header, b = b[:h.Size], b[h.Size:]
	for len(b) >= h.PacketSize && (h.DataPackets == 0 || len(packets) < int(h.DataPackets)) {
		packets = append(packets, b[:h.PacketSize])
		b = b[h.PacketSize:]
	}
	return h, header, packets
}

func start(t testing.TB) *rig {
	r := newRig(t)
	r.Send(&abi.Published{Point: []byte("live"), Rendition: []byte("asf"), SourceGeneration: 1})
	return r
}

func TestPacketsAreTheEncoders(t *testing.T) {
	for _, path := range []string{pipe, file} {
		b := sdktest.Read(t, path)
		_, header, packets := cut(t, b)
		for _, n := range []int{1, 187, 1400, 3200, 4096, len(b)} {
			r := start(t)
			r.Renew = n == 187
			r.Stream(b, n)
			r.End(abi.EndClosed)
			if r.Failed != 0 {
				t.Fatalf("%s by %d: %s", path, n, r.Text)
			}
			if len(r.Headers) != 1 || len(r.Headers[0]) != len(header) || !asf.Compatible(r.Headers[0], header) {
				t.Fatalf("%s by %d: %d headers", path, n, len(r.Headers))
			}
			if len(r.Packets) != len(packets) {
				t.Fatalf("%s by %d: %d packets, want %d", path, n, len(r.Packets), len(packets))
			}
			for i, p := range r.Packets {
				if !bytes.Equal(p.Payload, packets[i]) {
					t.Fatalf("%s by %d: packet %d differs", path, n, i)
				}
			}
			checkTimes(t, r.Packets)
		}
	}
}

func checkTimes(t *testing.T, list []sdktest.Packet) {
	t.Helper()
	keys := 0
	for i, p := range list {
		if p.Flags&abi.PacketKey != 0 {
			keys++
		}
		if i > 0 && p.DTS < list[i-1].DTS {
			t.Fatalf("packet %d goes back from %d to %d", i, list[i-1].DTS, p.DTS)
		}
	}
	if list[0].DTS < 0 || list[0].DTS > 1e9 {
		t.Errorf("first time %d is not near 0", list[0].DTS)
	}
	if keys == 0 || keys == len(list) {
		t.Errorf("%d of %d packets are keys", keys, len(list))
	}
}

func TestHeaderIsFitForBroadcast(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, file), 0)
	h, err := asf.ParseHeader(r.Headers[0])
	sdktest.Must(t, err)
	if h.Flags != 1 || h.DataPackets != 0 || h.DataSize != asf.DataHeadSize || h.FileID == [16]byte{} {
		t.Errorf("header %+v", h)
	}
}

func TestAudioOnlyEveryPacketIsKey(t *testing.T) {
	b := sdktest.Read(t, "../../sdk/asf/testdata/audio.asfstream")
	r := start(t)
	var plain []byte
	for len(b) > 0 {
		c, _, err := asf.ParseChunk(b, asf.FramedMMS)
		sdktest.Must(t, err)
		if c.Kind == asf.ChunkHeader || c.Kind == asf.ChunkData {
			plain = append(plain, b[c.Payload:c.Size]...)
		}
		b = b[c.Size:]
	}
	r.Data(plain, 0)
	if len(r.Packets) == 0 {
		t.Fatal("no packets")
	}
	for i, p := range r.Packets {
		if p.Flags&abi.PacketKey == 0 {
			t.Fatalf("packet %d is no key", i)
		}
	}
}

func times(t testing.TB, b []byte, size int) (send uint32, first uint32) {
	t.Helper()
	var p asf.Packet
	sdktest.Must(t, asf.ParsePacket(b, size, &p))
	first, _ = p.FirstTime(asf.StreamSet{})
	return p.SendTime, first
}

func TestReturningSource(t *testing.T) {
	b := sdktest.Read(t, pipe)
	h, _, packets := cut(t, b)
	first := start(t)
	first.Data(b, 0)
	const next = 61_234_567_891
	r := newRig(t)
	r.Renew = true
	r.Send(&abi.Published{Point: []byte("live"), NextTime: next, Header: first.Headers[0], SourceGeneration: 2})
	r.Stream(b, 5000)
	if len(r.Headers) != 1 || !bytes.Equal(r.Headers[0], first.Headers[0]) {
		t.Fatal("a compatible header was replaced")
	}
	if len(r.Packets) != len(packets) || r.Packets[0].Flags&abi.PacketDiscontinuity == 0 || r.Packets[1].Flags&abi.PacketDiscontinuity != 0 {
		t.Fatalf("%d packets; first flags %v", len(r.Packets), r.Packets[0].Flags)
	}
	if r.Packets[0].DTS < next || r.Packets[0].DTS >= next+1e6 {
		t.Errorf("goes on at %d, want %d", r.Packets[0].DTS, next)
	}
	for i, p := range r.Packets {
		send, pts := times(t, p.Payload, h.PacketSize)
		was, ptsWas := times(t, packets[i], h.PacketSize)
		if send-was != 61235 || pts-ptsWas != 61235 || int64(send)*nsPerMs != p.DTS {
			t.Fatalf("packet %d: send %d was %d, pts %d was %d, dts %d", i, send, was, pts, ptsWas, p.DTS)
		}
	}
}

func TestReturningSourceWithAnotherHeader(t *testing.T) {
	r := newRig(t)
	first := start(t)
	first.Data(sdktest.Read(t, file), 0)
	r.Send(&abi.Published{NextTime: 5e9, Header: first.Headers[0], SourceGeneration: 2})
	b := sdktest.Read(t, pipe)
	r.Data(b, 0)
	_, header, _ := cut(t, b)
	if len(r.Headers) != 1 || !asf.Compatible(r.Headers[0], header) {
		t.Fatal("the new header is missing")
	}
	if p := r.Packets[0]; p.Flags&abi.PacketDiscontinuity == 0 || p.DTS != 5e9 {
		t.Errorf("first packet %+v", p.Packet)
	}
}

func TestLoop(t *testing.T) {
	b := sdktest.Read(t, file)
	h, _, packets := cut(t, b)
	r := start(t)
	r.Renew = true
	for range 3 {
		r.Stream(b, 9000)
		r.End(abi.EndLoop)
	}
	if len(r.Headers) != 1 || len(r.Packets) != 3*len(packets) {
		t.Fatalf("%d headers, %d packets", len(r.Headers), len(r.Packets))
	}
	var end uint32
	for i, p := range r.Packets {
		if p.Flags&abi.PacketDiscontinuity != 0 {
			t.Errorf("packet %d is a discontinuity", i)
		}
		send, first := times(t, p.Payload, h.PacketSize)
		if int64(send)*nsPerMs != p.DTS || i > 0 && p.DTS < r.Packets[i-1].DTS {
			t.Fatalf("packet %d: send %d, dts %d", i, send, p.DTS)
		}
		if i%len(packets) == 0 && first <= end && i > 0 {
			t.Errorf("packet %d presents %d, %d was presented already", i, first, end)
		}
		var k asf.Packet
		sdktest.Must(t, asf.ParsePacket(p.Payload, h.PacketSize, &k))
		for _, l := range k.List() {
			end = max(end, l.Time)
		}
	}
	gap := r.Packets[len(packets)].DTS - r.Packets[len(packets)-1].DTS
	if gap <= 0 || gap > 500e6 {
		t.Errorf("the seam takes %d ns", gap)
	}
}

func TestNewHeaderInTheStream(t *testing.T) {
	h, header, packets := cut(t, sdktest.Read(t, pipe))
	b := append(bytes.Clone(header), bytes.Join(packets, nil)...)
	if len(b) != h.Size+h.PacketSize*len(packets) {
		t.Fatal("sample is cut wrongly")
	}
	other := sdktest.Read(t, file)
	_, _, more := cut(t, other)
	r := start(t)
	r.Stream(append(b, other...), 10_000)
	if r.Failed != 0 || len(r.Headers) != 2 || len(r.Packets) != len(packets)+len(more) {
		t.Fatalf("%s; %d headers, %d packets", r.Text, len(r.Headers), len(r.Packets))
	}
	if r.Packets[len(packets)].Flags&abi.PacketDiscontinuity == 0 {
		t.Error("the new header's first packet is no discontinuity")
	}
}

func TestSendTimeFallsBack(t *testing.T) {
	b := sdktest.Read(t, pipe)
	h, header, packets := cut(t, b)
	in := append([]byte(nil), header...)
	for _, shift := range []int64{100_000, 0, 1 << 32} {
		for _, p := range packets {
			var k asf.Packet
			var patches asf.Patches
			sdktest.Must(t, asf.ParsePacket(p, h.PacketSize, &k))
			sdktest.Must(t, asf.Rebase(&k, shift, &patches))
			q := bytes.Clone(p)
			asf.ApplyPatches(q, patches.List())
			in = append(in, q...)
		}
	}
	r := start(t)
	r.Data(in, 0)
	if len(r.Packets) != 3*len(packets) {
		t.Fatalf("%d packets: %s", len(r.Packets), r.Text)
	}
	if r.Packets[0].DTS != 0 {
		t.Errorf("a first source far from 0 begins at %d", r.Packets[0].DTS)
	}
	for i, p := range r.Packets[1:] {
		if d := p.DTS - r.Packets[i].DTS; d < 0 || d > 1e9 {
			t.Fatalf("packet %d comes after %d ns", i+1, d)
		}
	}
	if r.Packets[len(packets)].Flags&abi.PacketDiscontinuity == 0 {
		t.Error("the fall is not flagged")
	}
}

// TestSmallPackets: one DATA holds more packets than the outbox has room for.
func TestSmallPackets(t *testing.T) {
	_, header, _ := cut(t, sdktest.Read(t, pipe))
	const size, count = 64, 2500
	in := smallHeader(header, size)
	for i := range uint32(count) {
		in = append(in, smallPacket(size, 1, i, i+3100)...)
	}
	r := newRig(t)
	r.Send(&abi.Published{NextTime: 60e9})
	r.Data(in, abi.DataLast)
	if r.Failed != 0 || len(r.Packets) != count || int(r.Taken) != len(in) {
		t.Fatalf("%d packets of %d, %d bytes of %d; %s", len(r.Packets), count, r.Taken, len(in), r.Text)
	}
}

func TestGarbage(t *testing.T) {
	b := sdktest.Read(t, pipe)
	_, header, _ := cut(t, b)
	broken := bytes.Clone(b)
	for i := range 100 {
		broken[len(header)+3200+i] = 0xFF
	}
	huge := bytes.Clone(header)
	binary.LittleEndian.PutUint64(huge[16:], 1<<40)
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"not asf", []byte("hello, this is text and no media at all"), "no ASF header (byte 0 of the stream)"},
		{"packet", broken, "no ASF packet (byte "},
		{"huge", huge, "larger than a framed stream can carry"},
		{"cut header", header[:100], "ended inside the ASF header"},
		{"empty", nil, "ended inside the ASF header"},
	} {
		r := start(t)
		r.Data(c.in, abi.DataLast)
		if r.Failed == 0 {
			r.End(abi.EndClosed)
		}
		if r.Failed != abi.EPROTO || !strings.Contains(r.Text, c.want) {
			t.Errorf("%s: %v %q, want %q", c.name, r.Failed, r.Text, c.want)
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, pipe), 0)
	var s state
	sdktest.Must(t, s.ReadState(r.State))
	if got := s.AppendState(nil); !bytes.Equal(got, r.State) {
		t.Error("state changes on its way")
	}
	if (&state{}).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
	for n := range r.State[:fixedSize] {
		if new(state).ReadState(r.State[:n]) == nil {
			t.Fatalf("%d bytes pass for a state", n)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	_, header, packets := cut(t, sdktest.Read(t, pipe))
	r := start(t)
	r.Data(header, 0)
	e := &abi.Data{Bytes: bytes.Join(packets[:10], nil)}
	var frames [][]byte
	for range 30 { // as a host would send them, each with the state that the last one left
		e.Head, e.Offset = r.Head(), uint64(len(r.Input))
		var w abi.Writer
		w.Reset(make([]byte, len(r.State)+len(e.Bytes)+512))
		sdktest.Must(t, w.Put(1, 0, &abi.State{Blob: r.State}))
		sdktest.Must(t, w.Put(1, 0, e))
		frames = append(frames, w.Bytes())
		r.Input = append(r.Input, e.Bytes...)
		r.Send(e)
	}
	aged, out := newPlugin(), make([]byte, abi.UsualBox)
	next := 0
	run := func() {
		aged.Call(frames[next], out)
		next++
	}
	for range 5 {
		run()
	}
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

func FuzzStream(f *testing.F) {
	b := sdktest.Read(f, pipe)
	f.Add(b[:12_000], uint16(777), int64(0))
	f.Add(b[len(b)-100:], uint16(1), int64(1e9))
	f.Add([]byte("$E\x08\x00"), uint16(3), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, n uint16, next int64) {
		r := newRig(t)
		r.Renew = n&1 != 0
		r.Send(&abi.Published{NextTime: max(next, 0)})
		r.Stream(b, max(int(n), 1+len(b)/50))
		if r.Failed == 0 {
			r.End(abi.EndLoop)
		}
		if r.Failed == 0 {
			r.Data(b, 0)
		}
		last := int64(0)
		for _, p := range r.Packets {
			if p.DTS < last {
				t.Fatalf("time goes back from %d to %d", last, p.DTS)
			}
			last = p.DTS
		}
	})
}
