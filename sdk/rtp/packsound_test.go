package rtp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// adtsFrame is a frame of AAC-LC, 48 kHz, stereo, whose access unit has n bytes.
func adtsFrame(n int) []byte {
	d := AAC{profile: 1, rate: 3, channels: 2}
	return append(bytes.Clone(d.adts(n)), bytes.Repeat([]byte{0xAA}, n)...)
}

// TestAACPackets: frames that follow one another go together, times that jump part them,
// and a depayloader finds what was there.
func TestAACPackets(t *testing.T) {
	for _, portion := range []int{1, 5, 184, 10_000} {
		out := taken{t: t}
		k := SoundPacker{Coding: ADTS}
		put := func(pts int64, b []byte) {
			k.Begin(pts, &out)
			for len(b) > 0 {
				n := min(portion, len(b))
				k.Write(b[:n], &out)
				b = b[n:]
			}
		}
		long := adtsFrame(3000)
		es := slices.Concat(adtsFrame(10), adtsFrame(20), adtsFrame(MaxPayload-30), long)
		put(90_000, es[:len(es)-1000]) // the next PES packet begins within a frame
		put(90_000+4*1920+30, es[len(es)-1000:])
		put(90_000+4*1920+31, adtsFrame(7))
		put(900_000, append([]byte("garbage\xFF\xF1\xFF\x00\x00\x00\x00"), adtsFrame(8)...))
		k.Flush(&out)
		if k.Rate() != 48000 || k.Channels() != 2 || k.Config() != [2]byte{0x11, 0x90} || !k.Changed {
			t.Fatalf("%d Hz, %d channels, config %x", k.Rate(), k.Channels(), k.Config())
		}
		var times []uint32
		d := AAC{profile: 1, rate: 3, channels: 2}
		back := collector{t: t}
		for _, p := range out.list {
			times = append(times, p.timestamp)
			d.Push(&Packet{Timestamp: p.timestamp, Marker: p.marker}, p.b, false, &back)
		}
		if want := []uint32{48_000, 50_048, 51_072, 51_072, 51_072, 52_096, 480_000}; !slices.Equal(times, want) {
			t.Errorf("portions of %d: times %v, want %v", portion, times, want)
		}
		var got []byte
		for _, u := range back.units {
			got = append(got, u.es...)
		}
		if want := slices.Concat(es, adtsFrame(7), adtsFrame(8)); !bytes.Equal(got, want) || d.Odd != 0 {
			t.Errorf("%d bytes come back of %d, %d odd", len(got), len(want), d.Odd)
		}
	}
}

// mpaFrame is a silent frame of layer II, 48 kHz, 64 kbit/s.
func mpaFrame() []byte {
	b := make([]byte, 192)
	copy(b, []byte{0xFF, 0xFD, 0x44, 0})
	return b
}

func TestMPEGAudioPackets(t *testing.T) {
	out := taken{t: t}
	k := SoundPacker{Coding: MPEGAudio}
	es := bytes.Repeat(mpaFrame(), 10)
	k.Begin(5, &out)
	k.Write(es, &out)
	k.Flush(&out)
	back := collector{t: t}
	for i, p := range out.list {
		if !PushMPEGAudio(&Packet{Timestamp: p.timestamp}, p.b, &back) || p.timestamp != 5+uint32(i)*7*2160 || p.marker {
			t.Errorf("packet %d: %d", i, p.timestamp)
		}
	}
	if len(out.list) != 2 || k.Rate() != 90_000 || k.Channels() != 2 || !bytes.Equal(slices.Concat(back.units[0].es, back.units[1].es), es) {
		t.Errorf("%d packets, %d Hz", len(out.list), k.Rate())
	}
}

// TestSoundTimes: times that are rounded to milliseconds go on with those that are counted.
func TestSoundTimes(t *testing.T) {
	out := taken{t: t}
	k := SoundPacker{Coding: ADTS}
	for i := range int64(100) {
		k.Begin((i*64/3)*90, &out)
		k.Write(adtsFrame(50), &out)
	}
	k.Flush(&out)
	for i, p := range out.list {
		if p.timestamp != uint32(i)*samplesAAC {
			t.Fatalf("frame %d has %d", i, p.timestamp)
		}
	}
	k.Drop(&out)
	k.Write(adtsFrame(50), &out)
	if k.Flush(&out); len(out.list) != 100 {
		t.Error("a frame goes out whose time is not known")
	}
}

func FuzzSoundPacker(f *testing.F) {
	f.Add(append(adtsFrame(100), adtsFrame(3000)...), uint8(184), false)
	f.Add(bytes.Repeat(mpaFrame(), 9), uint8(20), true)
	f.Add(append([]byte{0xFF, 0xF1}, adtsFrame(1)...), uint8(0), false)
	f.Fuzz(func(t *testing.T, b []byte, portion uint8, isMPA bool) {
		out, back := taken{t: t}, collector{t: t}
		k, again := SoundPacker{Coding: ADTS}, SoundPacker{}
		if isMPA {
			k.Coding = MPEGAudio
		}
		k.Begin(90_000, &out)
		b = b[:min(len(b), 8000)]
		for i, rest := 0, b; len(rest) > 0; i++ {
			n := min(int(portion)+1, len(rest))
			k.Write(rest[:n], &out)
			if rest = rest[n:]; n == 7 {
				k.Begin(int64(len(rest))*1000, &out)
			}
			if i%32 != 0 {
				continue
			}
			state, _ := k.AppendBinary(nil)
			if err := again.UnmarshalBinary(state); err != nil || len(state) > MaxSoundPackerState {
				t.Fatalf("a state of %d bytes: %v", len(state), err)
			}
			if twice, _ := again.AppendBinary(nil); !bytes.Equal(twice, state) {
				t.Fatalf("%x comes back as %x", state, twice)
			}
			k, again = again, SoundPacker{}
		}
		k.Flush(&out)
		d := AAC{profile: 1, rate: 3, channels: 2}
		whole := uint64(0)
		for _, p := range out.list {
			if isMPA {
				if binary.BigEndian.Uint16(p.b[2:]) == 0 && mpegFrame(p.b[4:]) <= len(p.b)-4 && !PushMPEGAudio(&Packet{Timestamp: p.timestamp}, p.b, &back) {
					t.Fatalf("% x is not understood", p.b)
				}
				continue
			}
			d.Push(&Packet{Timestamp: p.timestamp, Marker: p.marker}, p.b, false, &back)
			whole += d.Odd
		}
		if whole != 0 {
			t.Fatalf("%d packets are odd", whole)
		}
	})
}

func FuzzSoundPackerState(f *testing.F) {
	k := SoundPacker{Coding: ADTS}
	k.Begin(1, ignored{})
	k.Write(append(adtsFrame(100), adtsFrame(200)[:50]...), ignored{})
	state, _ := k.AppendBinary(nil)
	f.Add(state, adtsFrame(20))
	f.Fuzz(func(t *testing.T, state, b []byte) {
		var k SoundPacker
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
		k.Flush(&out)
	})
}

// TestSoundFalseHeads: bytes within a frame that look like a head change nothing, neither
// behind a loss nor where a PES packet begins within a frame; a real change does.
func TestSoundFalseHeads(t *testing.T) {
	liar := AAC{profile: 1, rate: 4, channels: 1}
	tail := slices.Concat([]byte{1, 2, 3}, liar.adts(30), bytes.Repeat([]byte{0xAA}, 100))
	for _, portion := range []int{1, 5, 184, 10_000} {
		out := taken{t: t}
		k := SoundPacker{Coding: ADTS}
		put := func(b []byte) {
			for c := range slices.Chunk(b, portion) {
				k.Write(c, &out)
			}
		}
		k.Begin(0, &out)
		put(slices.Concat(adtsFrame(50), adtsFrame(60)))
		k.Changed = false
		k.Drop(&out)
		put(tail)
		put(adtsFrame(7))
		if k.Changed || k.Rate() != 48_000 {
			t.Fatalf("portions of %d: the end of a frame says %d Hz, %d channels", portion, k.Rate(), k.Channels())
		}
		out.list = nil
		k.Begin(90_000, &out)
		put(slices.Concat(tail, adtsFrame(7), adtsFrame(8)))
		k.Flush(&out)
		if k.Changed || len(out.list) != 1 || out.list[0].timestamp != 48_000 || len(out.list[0].b) != 2+2*2+7+8 {
			t.Fatalf("portions of %d: %d packets, %d Hz, %d channels", portion, len(out.list), k.Rate(), k.Channels())
		}
		mono := slices.Concat(liar.adts(30), bytes.Repeat([]byte{0xAA}, 30))
		if put(slices.Concat(mono, mono)); !k.Changed || k.Rate() != 44_100 || k.Channels() != 1 {
			t.Errorf("portions of %d: %d Hz, %d channels where they change", portion, k.Rate(), k.Channels())
		}
	}
}

// TestSoundTimesInDoubt: a frame that waits for the next one's head has its own time, and
// so have those behind it, wherever in that head the next PES packet begins.
func TestSoundTimesInDoubt(t *testing.T) {
	for at := range adtsSize {
		out := taken{t: t}
		k := SoundPacker{Coding: ADTS}
		k.Begin(90_000, &out)
		b, c := adtsFrame(20), adtsFrame(30)
		k.Write(append(adtsFrame(10), b[:at]...), &out)
		k.Begin(900_000, &out)
		k.Write(slices.Concat(b[at:], c), &out)
		k.Flush(&out)
		want := []sentPayload{{timestamp: 48_000, b: make([]byte, 4+10)}, {timestamp: 480_000, b: make([]byte, 6+20+30)}}
		if at > 0 {
			want = []sentPayload{{timestamp: 48_000, b: make([]byte, 6+10+20)}, {timestamp: 480_000, b: make([]byte, 4+30)}}
		}
		if !slices.EqualFunc(out.list, want, func(a, b sentPayload) bool { return a.timestamp == b.timestamp && len(a.b) == len(b.b) }) {
			t.Errorf("%d bytes of the head before: %+v", at, out.list)
		}
	}
}
