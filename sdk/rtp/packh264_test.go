package rtp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// taken keeps the packets that a packer makes.
type taken struct {
	t    testing.TB
	list []sentPayload
}

type sentPayload struct {
	timestamp uint32
	marker    bool
	b         []byte
}

// Packet keeps a copy.
func (k *taken) Packet(timestamp uint32, marker bool, payload []byte) {
	if len(payload) == 0 || len(payload) > MaxPayload {
		k.t.Fatalf("a payload of %d bytes", len(payload))
	}
	k.list = append(k.list, sentPayload{timestamp, marker, bytes.Clone(payload)})
}

// annexB puts NAL units behind start codes of three and four bytes.
func annexB(units ...[]byte) (b []byte) {
	for i, u := range units {
		b = append(append(b, []byte{0, 0, 0, 1}[i&1:]...), u...)
	}
	return b
}

// nals takes the NAL units out of payloads again, as RFC 6184 5.6 to 5.8 has it.
func nals(t testing.TB, list []sentPayload) (all [][]byte) {
	var cut []byte
	for _, p := range list {
		switch kind := p.b[0] & 0x1F; {
		case kind == nalSTAPA:
			for b := p.b[1:]; len(b) > 0; {
				n := 2 + int(binary.BigEndian.Uint16(b))
				all = append(all, b[2:n])
				b = b[n:]
			}
		case kind == nalFUA:
			if p.b[1]&0x80 != 0 {
				cut = []byte{p.b[0]&0xE0 | p.b[1]&0x1F}
			}
			if cut == nil || len(p.b) < 3 {
				t.Fatalf("an FU-A without its beginning: % x", p.b[:2])
			}
			if cut = append(cut, p.b[2:]...); p.b[1]&0x40 != 0 {
				all, cut = append(all, cut), nil
			}
		default:
			all = append(all, p.b)
		}
	}
	return all
}

// TestH264Packets: what fits together goes together, what does not fit is cut, and the
// marker ends the access unit.
func TestH264Packets(t *testing.T) {
	sps, set := unhex(t, usualSPS), unhex(t, pps)
	units := [][]byte{{nalDelimiter, 0xF0}, sps, set, nal(nalIDR, 5000), nal(1, MaxPayload), nal(1, MaxPayload+1), nal(1, 10)}
	for _, portion := range []int{1, 7, 184, 100_000} {
		out := taken{t: t}
		var k H264Packer
		k.Begin(7, &out)
		write(&k, annexB(units...), portion, &out)
		k.Begin(8, &out)
		write(&k, annexB(nal(nalIDR, 20)), portion, &out)
		k.End(&out)
		if !k.Changed || !bytes.Equal(k.Params(), slices.Concat([]byte{0, byte(len(sps))}, sps, []byte{0, byte(len(set))}, set)) {
			t.Errorf("parameter sets % x", k.Params())
		}
		got := nals(t, out.list)
		want := append(slices.Clone(units[1:]), sps, set, nal(nalIDR, 20))
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("portions of %d: %d NAL units, want %d", portion, len(got), len(want))
		}
		// SPS and PPS; 5000 bytes in four; the longest that fits; one more in two; a small one.
		if kinds := kindsOf(out.list); !slices.Equal(kinds, []byte{24, 28, 28, 28, 28, 1, 28, 28, 1, 24}) {
			t.Errorf("packets %v", kinds)
		}
		for i, p := range out.list {
			if p.marker != (i >= len(out.list)-2) || p.timestamp != 7+uint32(i/(len(out.list)-1)) {
				t.Errorf("packet %d: %d %v", i, p.timestamp, p.marker)
			}
		}
	}
}

func kindsOf(list []sentPayload) (kinds []byte) {
	for _, p := range list {
		kinds = append(kinds, p.b[0]&0x1F)
	}
	return kinds
}

func write(k *H264Packer, b []byte, portion int, to Packets) {
	for len(b) > 0 {
		n := min(portion, len(b))
		k.Write(b[:n], to)
		b = b[n:]
	}
}

// TestH264PacksBack: what real depayloaders make of it is what was there.
func TestH264PacksBack(t *testing.T) {
	sps, set := unhex(t, usualSPS), unhex(t, pps)
	out, back := taken{t: t}, collector{t: t}
	var k H264Packer
	var d H264
	k.Begin(7, &out)
	k.Write(annexB(sps, set, nal(nalIDR, 3000)), &out)
	k.Begin(3007, &out)
	k.Write(annexB(nal(1, 1500)), &out)
	k.End(&out)
	for _, p := range out.list {
		d.Push(&Packet{Timestamp: p.timestamp, Marker: p.marker}, p.b, false, &back)
	}
	if len(back.units) != 2 || !back.units[0].Key || d.Odd != 0 ||
		!bytes.Equal(back.units[0].es, slices.Concat(delimiter, startCode, sps, startCode, set, startCode, nal(nalIDR, 3000))) ||
		!bytes.Equal(back.units[1].es, slices.Concat(delimiter, startCode, nal(1, 1500))) {
		t.Errorf("%d units, %d odd", len(back.units), d.Odd)
	}
}

// TestH264Loses: of a unit with a gap nothing goes out behind it.
func TestH264Loses(t *testing.T) {
	out := taken{t: t}
	var k H264Packer
	k.Begin(7, &out)
	k.Write(annexB(nal(1, 9), nal(1, 3000)), &out)
	k.Drop(&out)
	k.Write(annexB(nal(1, 9)), &out)
	k.End(&out)
	if kinds := kindsOf(out.list); !slices.Equal(kinds, []byte{1, 28, 28}) {
		t.Errorf("packets %v", kinds)
	}
}

// reference splits a byte stream as annex B says, with what the packer leaves out left out.
func reference(b []byte) (all [][]byte) {
	var at []int
	for i := 0; i+3 <= len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 && b[i+2] == 1 {
			at = append(at, i)
			i += 2
		}
	}
	for i, from := range at {
		to := len(b)
		if i+1 < len(at) {
			to = at[i+1]
		}
		u := bytes.TrimRight(b[from+3:to], "\x00")
		for bytes.Contains(u, []byte{0, 0, 0, 0}) { // no NAL unit has three
			u = bytes.ReplaceAll(u, []byte{0, 0, 0, 0}, []byte{0, 0, 0})
		}
		if len(u) == 0 || u[0]&0x80 != 0 || u[0]&0x1F == 0 || u[0]&0x1F >= 24 || u[0]&0x1F == 9 || u[0]&0x1F == 12 {
			continue
		}
		all = append(all, u)
	}
	return all
}

func FuzzH264Packer(f *testing.F) {
	sps, set := unhex(f, usualSPS), unhex(f, pps)
	f.Add(annexB(sps, set, nal(nalIDR, 3000), nal(1, 20)), uint8(184))
	f.Add(annexB(nal(nalIDR, MaxPayload+1), []byte{0x41}, []byte{0, 5}, nal(9, 3)), uint8(1))
	f.Add([]byte("\x00\x00\x01A\x00\x00\x00\x00\x00B\x00\x00\x01\x00\x00\x01\x85\x00\x00\x00\x01\x67\x64\x00\x00\x80\x00\x00\x01\x68\x80"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, portion uint8) {
		out, back := taken{t: t}, collector{t: t}
		var k, again H264Packer
		k.Begin(1, &out)
		b = b[:min(len(b), 8000)]
		for i, rest := 0, b; len(rest) > 0; i++ {
			n := min(int(portion)+1, len(rest))
			k.Write(rest[:n], &out)
			if rest = rest[n:]; i%32 != 0 {
				continue
			}
			state, _ := k.AppendBinary(nil)
			if err := again.UnmarshalBinary(state); err != nil || len(state) > MaxH264PackerState {
				t.Fatalf("a state of %d bytes: %v", len(state), err)
			}
			if twice, _ := again.AppendBinary(nil); !bytes.Equal(twice, state) {
				t.Fatalf("%x comes back as %x", state, twice)
			}
			k, again = again, H264Packer{}
		}
		k.End(&out)
		got, want := nals(t, out.list), reference(b)
		if isPlain := !slices.ContainsFunc(want, func(u []byte) bool { return u[0]&0x1F == nalIDR }); isPlain && !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%x\nbecame %x\nwant %x", b, got, want)
		}
		var d H264
		for i, p := range out.list {
			if p.marker != (i == len(out.list)-1) {
				t.Fatalf("marker in packet %d of %d", i, len(out.list))
			}
			d.Push(&Packet{Timestamp: 1, Marker: p.marker}, p.b, false, &back)
		}
		if d.Odd != 0 {
			t.Fatalf("%d packets are odd", d.Odd)
		}
	})
}

func FuzzH264PackerState(f *testing.F) {
	var k H264Packer
	k.Begin(1, &taken{t: f})
	k.Write(annexB(unhex(f, usualSPS), unhex(f, pps), nal(5, 2000)), &taken{t: f})
	state, _ := k.AppendBinary(nil)
	f.Add(state, []byte("\x00\x00\x01\x65"))
	f.Fuzz(func(t *testing.T, state, b []byte) {
		var k H264Packer
		if k.UnmarshalBinary(state) != nil {
			return
		}
		if again, _ := k.AppendBinary(nil); !bytes.Equal(again, state) {
			t.Fatalf("%x comes back as %x", state, again)
		}
		out := taken{t: t}
		k.Write(b, &out)
		k.Begin(2, &out)
		k.Write(b, &out)
		k.End(&out)
	})
}

func TestPackersAllocateNothing(t *testing.T) {
	var k H264Packer
	var s SoundPacker
	s.Coding = ADTS
	es, sound := annexB(unhex(t, usualSPS), unhex(t, pps), nal(5, 5000)), append(adtsFrame(100), adtsFrame(3000)...)
	sink := Packets(ignored{})
	turn := func() {
		k.Begin(1, sink)
		k.Write(es, sink)
		s.Begin(90_000, sink)
		s.Write(sound, sink)
		s.Flush(sink)
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type ignored struct{}

// Packet does nothing.
func (ignored) Packet(uint32, bool, []byte) {}

// TestH264Renew: parameter sets that do not come again are dropped where the stream is
// another one, and where there is no room for more; until then they are in force.
func TestH264Renew(t *testing.T) {
	sps, set := unhex(t, usualSPS), unhex(t, pps)
	// numbered is the PPS of this number, 31 to 62: ue(v) of 11 bits, H.264 9.1.
	numbered := func(n int) []byte {
		return append([]byte{nalPPS, byte((n + 1) >> 3), byte((n+1)<<5) | 0x10}, bytes.Repeat([]byte{0xAA}, 100)...)
	}
	var k H264Packer
	out := taken{t: t}
	unit := func(units ...[]byte) {
		k.Begin(1, &out)
		k.Write(annexB(units...), &out)
		k.End(&out)
		again := H264Packer{}
		state, _ := k.AppendBinary(nil)
		if err := again.UnmarshalBinary(state); err != nil {
			t.Fatal(err)
		}
		k = again
	}
	list := func(units ...[]byte) (b []byte) {
		for _, u := range units {
			b = append(append(b, 0, byte(len(u))), u...)
		}
		return b
	}
	unit(sps, set, numbered(40), nal(nalIDR, 9))
	k.Renew()
	if unit(set, nal(1, 9)); !bytes.Equal(k.Params(), list(sps, set, numbered(40))) {
		t.Errorf("without an SPS that is new: %x", k.Params())
	}
	k.Changed = false
	if unit(sps, set, nal(nalIDR, 9)); !bytes.Equal(k.Params(), list(sps, set)) || !k.Changed {
		t.Errorf("behind a jump: %x", k.Params())
	}
	for n := 40; n < 60; n++ {
		unit(numbered(n), nal(1, 9))
	}
	unit(sps, numbered(60), nal(nalIDR, 9))
	if got := k.Params(); !bytes.Contains(got, numbered(60)) || !bytes.Contains(got, numbered(59)) || bytes.Contains(got, numbered(40)) {
		t.Errorf("where there is no room: %x", got)
	}
}
