package rtp

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"testing"
)

// collector is a Sink that keeps what it is given.
type collector struct {
	t     testing.TB
	units []collected
	open  bool
}

type collected struct {
	Unit
	es []byte
}

// Begin takes a unit's head.
func (c *collector) Begin(u Unit) {
	if c.open {
		c.t.Fatal("Begin within a unit")
	}
	c.open = true
	c.units = append(c.units, collected{Unit: u})
}

// Write takes a unit's bytes.
func (c *collector) Write(b []byte) {
	if !c.open || len(b) == 0 {
		c.t.Fatalf("Write of %d bytes, open %v", len(b), c.open)
	}
	u := &c.units[len(c.units)-1]
	u.es = append(u.es, b...)
}

// End takes a unit's end.
func (c *collector) End() {
	if !c.open {
		c.t.Fatal("End without a unit")
	}
	c.open = false
}

// Parameter sets of ffmpeg -c:v libx264: preset ultrafast with -tune zerolatency (no
// pictures are reordered), and the usual one (two are).
const (
	fastSPS  = "6742c00dda0507ec0440000003004000000783c50aa8"
	usualSPS = "67640009acd942847e5c0440000003004000000783c4896580"
	pps      = "68ce0fc8"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nal is a NAL unit of n bytes whose slice begins the picture.
func nal(kind byte, n int) []byte {
	b := bytes.Repeat([]byte{kind | 0x60}, n)
	if n > 1 {
		b[1] |= 0x80
	}
	return b
}

// stream makes packets.
type stream struct {
	sequence uint16
	list     []sent
}

type sent struct {
	Packet
	payload []byte
}

func (s *stream) put(at uint32, marker bool, payload ...byte) {
	s.list = append(s.list, sent{Packet{Type: 96, Marker: marker, Sequence: s.sequence, Timestamp: at}, payload})
	s.sequence++
}

// fragments cuts a NAL unit into n packets (RFC 6184 5.8).
func (s *stream) fragments(at uint32, unit []byte, n int, marker bool) {
	body := unit[1:]
	for i := range n {
		part := body[i*len(body)/n : (i+1)*len(body)/n]
		head := unit[0] & 0x1F
		switch i {
		case 0:
			head |= 0x80
		case n - 1:
			head |= 0x40
		}
		s.put(at, marker && i == n-1, append([]byte{unit[0]&0xE0 | nalFUA, head}, part...)...)
	}
}

func aggregated(nals ...[]byte) []byte {
	b := []byte{nalSTAPA | 0x60}
	for _, n := range nals {
		b = append(append(b, byte(len(n)>>8), byte(len(n))), n...)
	}
	return b
}

func byteStream(nals ...[]byte) (b []byte) {
	for _, n := range nals {
		b = append(append(b, startCode...), n...)
	}
	return b
}

var aud = []byte{nalDelimiter, 0xF0}

// depacketize pushes packets, with each state written and read between them. Those whose
// number is in without are lost.
func depacketize(t testing.TB, d *H264, list []sent, without ...int) []collected {
	t.Helper()
	c := &collector{t: t}
	lost := false
	for i := range list {
		if slices.Contains(without, i) {
			lost = true
			continue
		}
		d.Push(&list[i].Packet, list[i].payload, lost, c)
		lost = false
		var again H264
		state, _ := d.AppendBinary(nil)
		if err := again.UnmarshalBinary(state); err != nil || len(state) > MaxH264State {
			t.Fatalf("%+v: %v", d, err)
		}
		*d = again
	}
	return c.units
}

func TestH264(t *testing.T) {
	sps, pps := unhex(t, fastSPS), unhex(t, pps)
	var d H264
	if !d.Sprop([]byte(base64.StdEncoding.EncodeToString(sps) + "," + base64.StdEncoding.EncodeToString(pps))) {
		t.Fatal("no parameter sets")
	}
	sei, idr, slice, second := nal(6, 300), nal(5, 3000), nal(1, 900), nal(1, 40)
	second[1] = 0x40 // first_mb_in_slice is not 0
	newPPS := append(bytes.Clone(pps), 0x80)
	var s stream
	s.put(0, true, slice...)                         // before a key: nothing
	s.put(3000, false, sei...)                       // greeting, then the picture in three parts
	s.fragments(3000, idr, 3, true)                  //
	s.put(6000, true, slice...)                      // one packet
	s.put(9000, false, aggregated(slice, second)...) // two slices, no marker
	s.put(12000, false, aggregated(sps, newPPS)...)  // its own parameter sets
	s.put(12000, true, idr...)
	s.put(15000, true, newPPS...) // alone, with a marker: they belong to the next
	s.put(18000, true, slice...)
	want := []collected{
		{Unit{Timestamp: 3000, Key: true}, byteStream(aud, sps, pps, sei, idr)},
		{Unit{Timestamp: 6000}, byteStream(aud, slice)},
		{Unit{Timestamp: 9000}, byteStream(aud, slice, second)},
		{Unit{Timestamp: 12000, Key: true}, byteStream(aud, sps, newPPS, idr)},
		{Unit{Timestamp: 18000}, byteStream(aud, slice)},
	}
	got := depacketize(t, &d, s.list)
	if len(got) != len(want) || d.Odd != 0 {
		t.Fatalf("%d units, want %d; %d odd", len(got), len(want), d.Odd)
	}
	for i, w := range want {
		if got[i].Unit != w.Unit || !bytes.Equal(got[i].es, w.es) {
			t.Errorf("unit %d: %+v, %x\nwant %+v, %x", i, got[i].Unit, got[i].es, w.Unit, w.es)
		}
	}
}

// TestH264Lost: a unit with a gap ends there or does not come, and the next is whole.
func TestH264Lost(t *testing.T) {
	sps, pps := unhex(t, fastSPS), unhex(t, pps)
	idr, slice, second := nal(5, 900), nal(1, 900), nal(1, 40)
	second[1] = 0x40
	var s stream
	s.put(0, false, aggregated(sps, pps)...) // 0
	s.fragments(0, idr, 3, true)             // 1 2 3
	s.fragments(3000, slice, 3, false)       // 4 5 6
	s.put(3000, true, second...)             // 7
	s.put(6000, true, slice...)              // 8
	whole := byteStream(aud, slice)
	for _, c := range []struct {
		name  string
		lost  []int
		times []uint32
		whole []int // units that must be whole
	}{
		{"a middle part", []int{5}, []uint32{0, 3000, 6000}, []int{2}},
		{"a first part", []int{4}, []uint32{0, 6000}, []int{1}},
		{"the first slice", []int{4, 5, 6}, []uint32{0, 6000}, []int{1}},
		{"the end of one, the beginning of the next", []int{3, 4}, []uint32{0, 6000}, []int{1}},
		{"parameter sets", []int{0}, nil, nil},
	} {
		var d H264
		got := depacketize(t, &d, s.list, c.lost...)
		var times []uint32
		for _, u := range got {
			times = append(times, u.Timestamp)
		}
		if !slices.Equal(times, c.times) {
			t.Errorf("%s: units at %v, want %v", c.name, times, c.times)
			continue
		}
		for _, i := range c.whole {
			if !bytes.Equal(got[i].es, whole) {
				t.Errorf("%s: unit %d is %x", c.name, i, got[i].es)
			}
		}
	}
}

// TestH264Bounded: what is too long is left out, and the picture behind it comes.
func TestH264Bounded(t *testing.T) {
	sps, pps, idr := unhex(t, fastSPS), unhex(t, pps), nal(5, 50)
	var d H264
	var s stream
	s.put(0, false, aggregated(sps, pps)...)
	s.fragments(0, nal(6, 3*maxHeld), 5, false)
	for range 40 {
		s.put(0, false, nal(6, 500)...)
	}
	s.put(0, true, idr...)
	got := depacketize(t, &d, s.list)
	if len(got) != 1 || !bytes.HasSuffix(got[0].es, byteStream(idr)) || !bytes.HasPrefix(got[0].es, byteStream(aud, sps, pps)) || len(got[0].es) > 2*maxHeld {
		t.Errorf("%d units", len(got))
	}
}

func TestReorderOf(t *testing.T) {
	for text, want := range map[string]int{
		fastSPS:                     0,
		usualSPS:                    2,
		usualSPS[:len(usualSPS)-12]: -1,
		"6764":                      -1,
		"":                          -1,
		"67640000":                  -1,
	} {
		if got := reorderOf(unhex(t, text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestOrder(t *testing.T) {
	times := func(numbers ...int64) (all []int64) {
		for _, n := range numbers {
			all = append(all, 180_000+n*3000)
		}
		return all
	}
	for _, c := range []struct {
		name    string
		reorder int
		in      []int64
	}{
		{"none", 0, times(0, 1, 2, 3, 4)},
		{"one", 1, times(0, 3, 1, 2, 6, 4, 5, 9, 7, 8)},
		{"two: a pyramid", 2, times(0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11)},
		{"a gap", 1, times(0, 2, 1, 40, 39, 42, 41)},
	} {
		var o, again Order
		last := int64(0)
		for i, pts := range c.in {
			dts := o.Next(pts, c.reorder)
			if dts > pts || dts <= last {
				t.Errorf("%s: picture %d is shown at %d, decoded at %d after %d", c.name, i, pts, dts, last)
			}
			last = dts
			b, _ := o.AppendBinary(nil)
			if err := again.UnmarshalBinary(b); err != nil || again != o || len(b) > MaxOrderState {
				t.Fatalf("%+v comes back as %+v, %v", o, again, err)
			}
		}
	}
	var o Order // that has to learn
	falls, last := 0, int64(0)
	for _, pts := range times(0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15) {
		dts := o.Next(pts, -1)
		if dts > pts {
			t.Errorf("shown at %d, decoded at %d", pts, dts)
		}
		if dts <= last {
			falls++
		}
		last = dts
	}
	if falls > 2 {
		t.Errorf("falls %d times", falls)
	}
	if dts := o.Next(9_000_000, -1); dts > 9_000_000 || dts < 9_000_000-MaxReorder*orderStep {
		t.Errorf("after a jump: %d", dts)
	}
}

func FuzzH264(f *testing.F) {
	f.Add([]byte{0, 5, 0x78, 0, 2, 0x67, 0x42, 1, 3, 0x65, 0x88, 0x80}, []byte(nil))
	f.Add([]byte{1, 3, 0x7C, 0x85, 0x88, 1, 3, 0x7C, 0x05, 0x88, 0x83, 3, 0x7C, 0x45, 0x88}, []byte(nil))
	var d H264
	d.Sprop([]byte("Z0LADdoFB+wEQAAAAwBAAAAHg8UKqA==,aM4PyA=="))
	d.Push(&Packet{Timestamp: 1}, []byte{0x7C, 0x86, 9, 9}, false, &collector{t: f})
	state, _ := d.AppendBinary(nil)
	f.Add([]byte{0, 3, 0x7C, 0x46, 0x88, 0, 3, 0x65, 0x88, 0x80}, state)
	f.Fuzz(func(t *testing.T, b, state []byte) {
		var d H264
		if len(state) > 0 && d.UnmarshalBinary(state) != nil {
			return
		}
		c := &collector{t: t, open: d.open}
		if d.open {
			c.units = append(c.units, collected{})
		}
		for at := uint32(0); len(b) >= 2; {
			// of the first byte: timestamp, loss, marker; of the second: size
			at += uint32(b[0] & 1)
			n := min(2+int(b[1]), len(b))
			d.Push(&Packet{Timestamp: at, Marker: b[0]&0x80 != 0}, b[2:n], b[0]&2 != 0, c)
			b = b[n:]
			if len(d.held) > maxHeld || len(d.params) > MaxParameters || d.open != c.open {
				t.Fatalf("%+v", d)
			}
			var again H264
			s, _ := d.AppendBinary(nil)
			if err := again.UnmarshalBinary(s); err != nil {
				t.Fatalf("%+v: %v", d, err)
			}
			if more, _ := again.AppendBinary(nil); !bytes.Equal(more, s) {
				t.Fatalf("%x comes back as %x", s, more)
			}
		}
	})
}

func FuzzParameters(f *testing.F) {
	f.Add(unhex(f, fastSPS))
	f.Add(unhex(f, usualSPS))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := reorderOf(b); n < -1 || n > MaxReorder {
			t.Fatal(n)
		}
		var d AAC
		if d.Configure(b) == nil && (d.profile > 3 || d.rate > 12 || d.channels == 0) {
			t.Fatalf("%+v", d)
		}
	})
}
