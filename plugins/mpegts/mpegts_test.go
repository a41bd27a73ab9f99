package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/sdktest"
)

const dir = "../../sdk/mpegts/testdata/"

func start(t testing.TB) *rig {
	r := newRig(t)
	r.Send(&abi.Published{Point: []byte("tv"), Rendition: []byte("mpegts"), SourceGeneration: 1})
	return r
}

func (r *rig) bytes() (out []byte) {
	for _, p := range r.Packets {
		out = append(out, p.Payload...)
	}
	return out
}

// firstCut is where the first frame of the main stream begins.
func firstCut(t testing.TB, b []byte) int {
	t.Helper()
	var d mpegts.Demux
	for at := 0; at < len(b); at += mpegts.PacketSize {
		if r := d.Feed(b[at:]); r.Cut && r.HasTime {
			return at
		}
	}
	t.Fatal("no frame in the sample")
	return 0
}

func TestPacketsAreTheEncoders(t *testing.T) {
	for _, name := range []string{"h264.ts", "hevc.ts", "mpeg2.ts", "audio.ts"} {
		b := sdktest.Read(t, dir+name)
		for _, n := range []int{61, 188, 1316, 5000, len(b)} {
			r := start(t)
			r.Renew = n == 5000
			r.Stream(b, n)
			r.End(abi.EndClosed)
			if r.Failed != 0 || len(r.Headers) != 1 {
				t.Fatalf("%s by %d: %d headers; %s", name, n, len(r.Headers), r.Text)
			}
			if !bytes.Equal(r.bytes(), b[firstCut(t, b):]) {
				t.Fatalf("%s by %d: %d bytes of %d", name, n, len(r.bytes()), len(b))
			}
			check(t, name, r, 1e9)
		}
	}
}

func check(t *testing.T, name string, r *rig, begin int64) {
	t.Helper()
	keys, cuts := 0, 0
	var d mpegts.Demux
	for at := 0; at < len(r.Headers[0]); at += mpegts.PacketSize {
		d.Feed(r.Headers[0][at:])
	}
	if !d.Ready() {
		t.Fatalf("%s: the header holds no tables", name)
	}
	for i, p := range r.Packets {
		if i > 0 && p.DTS < r.Packets[i-1].DTS {
			t.Fatalf("%s: packet %d goes back", name, i)
		}
		if p.PTS < p.DTS || p.PTS > p.DTS+5e9 {
			t.Fatalf("%s: packet %d: pts %d, dts %d", name, i, p.PTS, p.DTS)
		}
		first := d.Feed(p.Payload)
		if first.Cut {
			cuts++
			if mpegts.Nanoseconds(first.DTS) != p.DTS {
				t.Fatalf("%s: packet %d: dts %d, inside %d", name, i, p.DTS, mpegts.Nanoseconds(first.DTS))
			}
		}
		if p.Flags&abi.PacketKey != 0 {
			keys++
			if !first.Key {
				t.Fatalf("%s: packet %d is flagged as key", name, i)
			}
		}
		for at := mpegts.PacketSize; at < len(p.Payload); at += mpegts.PacketSize {
			if d.Feed(p.Payload[at:]).Cut {
				t.Fatalf("%s: packet %d holds two frames", name, i)
			}
		}
	}
	if d := r.Packets[0].DTS - begin; keys == 0 || d < -1e9 || d > 1e9 || cuts < 5 {
		t.Errorf("%s: %d frames, %d keys, begins %d off", name, cuts, keys, d)
	}
}

// clocks gives all times inside packets, in order.
func clocks(b []byte) (out []int64) {
	var d mpegts.Demux
	for at := 0; at < len(b); at += mpegts.PacketSize {
		r := d.Feed(b[at:])
		if r.HasPCR {
			out = append(out, r.PCR)
		}
		if r.HasTime {
			out = append(out, r.PTS, r.DTS)
		}
	}
	return out
}

func TestReturningSource(t *testing.T) {
	b := sdktest.Read(t, dir+"h264.ts")
	first := start(t)
	first.Data(b, 0)
	const next = 100e9 + 1
	r := newRig(t)
	r.Renew = true
	r.Send(&abi.Published{NextTime: next, Header: first.Headers[0], SourceGeneration: 2})
	shifted := bytes.Clone(b)
	for at := 0; at < len(b); at += mpegts.PacketSize {
		shifted[at+3] = shifted[at+3]&0xF0 | (shifted[at+3]+3)&0x0F // the encoder counts from elsewhere
	}
	r.Stream(shifted, 3000)
	if len(r.Headers) != 1 || !bytes.Equal(r.Headers[0], first.Headers[0]) {
		t.Fatal("tables that say the same are a new header")
	}
	p := r.Packets[0]
	if p.DTS < next || p.DTS > next+1e6 || p.Flags&abi.PacketDiscontinuity == 0 {
		t.Errorf("goes on at %d, flags %v", p.DTS, p.Flags)
	}
	tables := append(bytes.Clone(first.Headers[0]), r.bytes()...)
	was := clocks(append(bytes.Clone(first.Headers[0]), first.bytes()...))
	is := clocks(tables)
	if len(is) != len(was) || len(is) < 20 {
		t.Fatalf("%d times, were %d", len(is), len(was))
	}
	for i := range is {
		if is[i]-was[i] != is[0]-was[0] {
			t.Fatalf("time %d moved by %d, the first by %d", i, is[i]-was[i], is[0]-was[0])
		}
	}
	check(t, "returning", r, next)
}

func TestLoop(t *testing.T) {
	b := sdktest.Read(t, dir+"h264.ts")
	r := start(t)
	r.Renew = true
	for range 3 {
		r.Stream(b, 4000)
		r.End(abi.EndLoop)
	}
	if len(r.Headers) != 1 {
		t.Fatalf("%d headers", len(r.Headers))
	}
	seams := 0
	for i, p := range r.Packets {
		if i == 0 {
			continue
		}
		d := p.DTS - r.Packets[i-1].DTS
		if d < 0 || d > 1e9 {
			t.Fatalf("packet %d comes after %d ns", i, d)
		}
		if p.Flags&abi.PacketDiscontinuity != 0 {
			seams++
			if d == 0 || p.Flags&abi.PacketKey == 0 {
				t.Errorf("seam after %d ns, flags %v", d, p.Flags)
			}
		}
	}
	if seams != 2 {
		t.Errorf("%d seams", seams)
	}
}

func TestOtherTables(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, dir+"h264.ts"), 0)
	n := len(r.Packets)
	r.Data(sdktest.Read(t, dir+"mpeg2.ts"), 0)
	n++ // the tables before the PMT still belong to what was
	if len(r.Headers) != 2 || r.Packets[n].Flags&abi.PacketDiscontinuity == 0 {
		t.Errorf("%d headers; flags %v", len(r.Headers), r.Packets[n].Flags)
	}
}

func TestFarFromZeroAndWrap(t *testing.T) {
	b := sdktest.Read(t, dir+"h264.ts")
	for at := 0; at < len(b); at += mpegts.PacketSize {
		var p mpegts.Patches
		mpegts.Rebase(b[at:], 1<<33-2*mpegts.TicksPerSecond, &p)
		mpegts.ApplyPatches(b[at:at+mpegts.PacketSize], p.List())
	}
	r := start(t)
	r.Stream(b, 10_000)
	if d := r.Packets[0].DTS; d < 0 || d > 2e9 {
		t.Errorf("begins at %d", d)
	}
	for i, p := range r.Packets[1:] {
		if d := p.DTS - r.Packets[i].DTS; d < 0 || d > 1e9 || p.Flags&abi.PacketDiscontinuity != 0 {
			t.Fatalf("packet %d comes after %d ns, flags %v", i+1, d, p.Flags)
		}
	}
}

func TestTimeFallsBack(t *testing.T) {
	b := sdktest.Read(t, dir+"h264.ts")
	far := bytes.Clone(b)
	for at := 0; at < len(b); at += mpegts.PacketSize {
		var p mpegts.Patches
		mpegts.Rebase(b[at:], 600*mpegts.TicksPerSecond, &p)
		mpegts.ApplyPatches(far[at:at+mpegts.PacketSize], p.List())
	}
	r := start(t)
	r.Data(append(far, b...), 0)
	marks := 0
	for i, p := range r.Packets[1:] {
		if d := p.DTS - r.Packets[i].DTS; d < 0 || d > 1e9 {
			t.Fatalf("packet %d comes after %d ns", i+1, d)
		}
		if p.Flags&abi.PacketDiscontinuity != 0 {
			marks++
		}
	}
	if marks != 1 {
		t.Errorf("%d discontinuities", marks)
	}
}

func TestLargeFrameIsSplit(t *testing.T) {
	b := sdktest.Read(t, dir+"h264.ts")
	at := firstCut(t, b)
	var filler []byte
	for range 1000 { // a frame that goes on and on: packets without a start
		p := bytes.Repeat([]byte{0xFF}, mpegts.PacketSize)
		copy(p, b[at:at+3])
		p[0], p[1], p[3] = 0x47, p[1]&0x1F, 0x10
		filler = append(filler, p...)
	}
	r := start(t)
	r.Data(b[:at+mpegts.PacketSize], 0)
	r.Data(filler, 0)
	for i, p := range r.Packets {
		if len(p.Payload) > maxPacket || p.DTS != r.Packets[0].DTS || i > 0 && p.Flags != 0 {
			t.Fatalf("packet %d: %d bytes at %d, flags %v", i, len(p.Payload), p.DTS, p.Flags)
		}
	}
	if len(r.bytes()) != len(filler)+mpegts.PacketSize {
		t.Errorf("%d bytes", len(r.bytes()))
	}
}

func TestKeyless(t *testing.T) {
	var c clock
	keys := 0
	for frame := range int64(25 * 60) {
		c.place(frame*3600, frame*3600)
		if c.isKey(false) {
			keys++
		}
	}
	if keys != 5 { // one each 10 s, the first after as long
		t.Errorf("%d keys in a minute without a random access point", keys)
	}
	keys = 0
	for frame := range int64(25 * 60) {
		at := (60*25 + frame) * 3600
		c.place(at, at)
		if c.isKey(frame%(20*25) == 0) {
			keys++
		}
	}
	if keys != 3 { // the three that there are, 20 s apart
		t.Errorf("%d keys in a minute with three random access points", keys)
	}
}

func TestDamage(t *testing.T) {
	b := sdktest.Read(t, dir+"h264.ts")
	in := append([]byte("junk before"), b[:20*188]...)
	in = append(in, b[20*188+50:]...) // 50 bytes are missing
	r := start(t)
	r.Stream(in, 1000)
	if r.Failed != 0 || len(r.bytes()) < len(b)-8*188 || len(r.bytes())%188 != 0 {
		t.Errorf("%d bytes of %d survive; %s", len(r.bytes()), len(b), r.Text)
	}
}

func TestGarbage(t *testing.T) {
	null := bytes.Repeat([]byte{0xFF}, mpegts.PacketSize)
	copy(null, "\x47\x1F\xFF\x10")
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"noise", bytes.Repeat([]byte("noise"), 900_000), "no programme in the transport stream"},
		{"no tables", bytes.Repeat(null, maxLost/len(null)+2), "PAT and PMT are missing"},
		{"empty", nil, "PAT and PMT are missing"},
		{"short", null, "PAT and PMT are missing"},
	} {
		r := start(t)
		r.Data(c.in, abi.DataLast)
		if r.Failed == 0 {
			r.End(abi.EndClosed)
		}
		if r.Failed != abi.EPROTO || !strings.Contains(r.Text, c.want) {
			t.Errorf("%s: %v %q", c.name, r.Failed, r.Text)
		}
	}
	r := start(t)
	r.Data(sdktest.Read(t, dir+"h264.ts"), 0)
	r.Data(bytes.Repeat([]byte("noise"), 900_000), 0)
	if !strings.Contains(r.Text, "damaged") {
		t.Errorf("%v %q", r.Failed, r.Text)
	}
}

func TestStateRoundTrip(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, dir+"h264.ts"), 0)
	var s state
	sdktest.Must(t, s.ReadState(r.State))
	if !bytes.Equal(s.AppendState(nil), r.State) {
		t.Error("state changes on its way")
	}
	if len(r.State) > reserve-5*mpegts.PacketSize-256 {
		t.Errorf("state of %d bytes does not fit its reserve", len(r.State))
	}
	for n := 1; n < fixedSize; n++ {
		if new(state).ReadState(r.State[:n]) == nil {
			t.Fatalf("%d bytes pass for a state", n)
		}
	}
}

func FuzzStream(f *testing.F) {
	b := sdktest.Read(f, dir+"h264.ts")
	f.Add(b[:40*188], uint16(777), int64(0))
	f.Add(b[:10*188], uint16(188), int64(7e9))
	f.Add([]byte("GGG"), uint16(1), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, n uint16, next int64) {
		r := newRig(t)
		r.Renew = n&1 != 0
		r.Send(&abi.Published{NextTime: max(next%1e15, 0)})
		r.Stream(b, max(int(n), 1+len(b)/50))
		if r.Failed == 0 {
			r.End(abi.EndLoop)
		}
		if r.Failed == 0 {
			r.Data(b, 0)
		}
		last := int64(0)
		for _, p := range r.Packets {
			if p.DTS < last || len(p.Payload)%mpegts.PacketSize != 0 {
				t.Fatalf("packet of %d bytes at %d after %d", len(p.Payload), p.DTS, last)
			}
			last = p.DTS
		}
	})
}
