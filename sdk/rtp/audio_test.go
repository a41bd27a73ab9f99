package rtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// lc is the configuration of AAC LC, 44.1 kHz, mono, as ffmpeg announces it.
const lc = "120856e500"

func configured(t testing.TB) *AAC {
	t.Helper()
	d := new(AAC)
	if err := d.Configure(unhex(t, lc)); err != nil {
		t.Fatal(err)
	}
	return d
}

// hbr is the payload of a packet with access units of the sizes (RFC 3640 3.3.6).
func hbr(sizes ...int) (b, units []byte) {
	b = binary.BigEndian.AppendUint16(nil, uint16(16*len(sizes)))
	for i, n := range sizes {
		b = binary.BigEndian.AppendUint16(b, uint16(n<<3))
		units = append(units, bytes.Repeat([]byte{byte('a' + i)}, n)...)
	}
	return append(b, units...), units
}

func TestAAC(t *testing.T) {
	d := configured(t)
	c := &collector{t: t}
	b, _ := hbr(300, 2)
	d.Push(&Packet{Timestamp: 1024}, b, false, c)
	if len(c.units) != 1 || c.units[0].Unit != (Unit{Timestamp: 1024, Key: true, Size: 316}) {
		t.Fatalf("%+v", c.units)
	}
	es := c.units[0].es
	// ISO 14496-3 1.A.2.2: LC is 01, 44.1 kHz 0100, mono 001, then 13 bits of size.
	first, second := "\xFF\xF1\x50\x40\x26\x7F\xFC", "\xFF\xF1\x50\x40\x01\x3F\xFC"
	if want := first + string(bytes.Repeat([]byte("a"), 300)) + second + "bb"; string(es) != want {
		t.Errorf("%x\nwant %x", es, want)
	}
}

// TestAACFragments: an access unit of several packets (RFC 3640 3.2.3).
func TestAACFragments(t *testing.T) {
	whole, _ := hbr(3000)
	head, body := whole[:4], whole[4:]
	parts := [][]byte{append(bytes.Clone(head), body[:1400]...), append(bytes.Clone(head), body[1400:2800]...), append(bytes.Clone(head), body[2800:]...)}
	for _, x := range []struct {
		name string
		lost int
		size int // of what comes of the unit, without its head; 0: nothing
	}{{"none", -1, 3000}, {"the first", 0, 0}, {"the second", 1, 1400}, {"the last", 2, 2800}} {
		d := configured(t)
		c := &collector{t: t}
		lost := false
		for i, part := range parts {
			if i == x.lost {
				lost = true
				continue
			}
			d.Push(&Packet{Timestamp: 7, Marker: i == 2}, part, lost, c)
			lost = false
			state, _ := d.AppendBinary(nil)
			var again AAC
			if err := again.UnmarshalBinary(state); err != nil || len(state) != MaxAACState {
				t.Fatalf("%+v: %v", d, err)
			}
			d = &again
		}
		next, _ := hbr(5)
		d.Push(&Packet{Timestamp: 8}, next, lost, c)
		got := 0
		if len(c.units) == 2 {
			got = len(c.units[0].es) - adtsSize
		}
		if last := c.units[len(c.units)-1]; got != x.size || last.Timestamp != 8 || len(last.es) != 12 || c.open {
			t.Errorf("%s: %d bytes, want %d; then %+v", x.name, got, x.size, last)
		}
	}
}

func TestAACRefused(t *testing.T) {
	b, _ := hbr(10, 10)
	interleaved := bytes.Clone(b)
	interleaved[5] |= 1 // AU-Index-delta
	none, _ := hbr(0)
	for name, payload := range map[string][]byte{
		"empty": nil, "one byte": {0}, "no heads": {0, 0, 1}, "odd heads": {0, 15, 0, 0}, "heads that are not there": {1, 0, 0, 8},
		"interleaved": interleaved, "cut": b[:20], "a unit of nothing": none,
	} {
		d, c := configured(t), &collector{t: t}
		d.Push(&Packet{}, payload, false, c)
		if d.Odd != 1 || len(c.units) != 0 {
			t.Errorf("%s: %+v, %d units", name, d, len(c.units))
		}
	}
	for _, config := range []string{"", "12", "0000", "1788000000", "1200", "1240", "f8e850"} {
		if err := new(AAC).Configure(unhex(t, config)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", config, err)
		}
	}
	var d AAC // HE-AAC: SBR over LC at 22.05 kHz, stereo
	if err := d.Configure(unhex(t, "2b920800")); err != nil || d.profile != 1 || d.rate != 7 || d.channels != 2 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestMPEGAudio(t *testing.T) {
	frame := append([]byte{0xFF, 0xFB, 0x90, 0x00}, make([]byte, 413)...) // layer III, 128 kbit/s, 44.1 kHz
	for _, x := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"a frame", append([]byte{0, 0, 0, 0}, frame...), true},
		{"two frames", append(append([]byte{0, 0, 0, 0}, frame...), frame...), true},
		{"the first part", append([]byte{0, 0, 0, 0}, frame[:200]...), false},
		{"a further part", append([]byte{0, 0, 0, 200}, frame[200:]...), false},
		{"a head alone", []byte{0, 0, 0, 0}, false},
		{"something else", []byte{0, 0, 0, 0, 1, 2, 3, 4, 5}, false},
	} {
		c := &collector{t: t}
		if ok := PushMPEGAudio(&Packet{Timestamp: 9}, x.b, c); ok != x.want || (len(c.units) == 1) != ok {
			t.Errorf("%s: %v, %d units", x.name, ok, len(c.units))
		}
	}
	for head, want := range map[uint32]int{
		0xFFFB9000: 417, 0xFFFB9200: 418, 0xFFFD8400: 384, 0xFFF38000: 208, 0xFFE38000: 417, 0xFFF59000: 313 + 209,
		0xFFFF9000: 0, 0xFFFBF000: 0, 0xFFFB0000: 0, 0xFFFB9C00: 0, 0xFFEB9000: 0, 0x00FB9000: 0,
	} {
		if got := mpegFrame(binary.BigEndian.AppendUint32(nil, head)); got != want {
			t.Errorf("%08x: %d bytes, want %d", head, got, want)
		}
	}
}

func TestReports(t *testing.T) {
	report := unhex(t, "80c80006"+"cafebabe"+"e5a1b2c380000000"+"00015f90"+"00000001"+"00000064")
	want := Report{SSRC: 0xCAFEBABE, NTP: 0xE5A1B2C380000000, Timestamp: 90000}
	bye := unhex(t, "81cb0001cafebabe")
	for name, b := range map[string][]byte{"alone": report, "behind another": append(bye, report...)} {
		if got, ok := SenderReport(b); !ok || got != want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	timeless := bytes.Clone(report)
	clear(timeless[8:16])
	for name, b := range map[string][]byte{"cut": report[:27], "without a time": timeless, "another": bye, "none": nil} {
		if got, ok := SenderReport(b); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
	got := AppendReceiverReport(nil, &Reception{Own: 1, Of: 2, Fraction: 3, Lost: 4, Highest: 5, Last: 6, Delay: 7})
	if want := unhex(t, "81c90007"+"00000001"+"00000002"+"03000004"+"00000005"+"00000000"+"00000006"+"00000007"+"81ca0002"+"00000001"+"01000000"); !bytes.Equal(got, want) {
		t.Errorf("%x\nwant %x", got, want)
	}
}

func FuzzAudio(f *testing.F) {
	b, _ := hbr(3, 4)
	f.Add(append([]byte{0, byte(len(b))}, b...))
	f.Add([]byte{0, 6, 0, 16, 1, 0, 9, 9, 2, 6, 0, 16, 1, 0, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, c := configured(t), &collector{t: t}
		for at := uint32(0); len(b) >= 2; {
			at += uint32(b[0] & 1)
			n := min(2+int(b[1]), len(b))
			d.Push(&Packet{Timestamp: at}, b[2:n], b[0]&2 != 0, c)
			if d.missing == 0 {
				PushMPEGAudio(&Packet{Timestamp: at}, b[2:n], c)
			}
			SenderReport(b[2:n])
			b = b[n:]
			var again AAC
			s, _ := d.AppendBinary(nil)
			if err := again.UnmarshalBinary(s); err != nil || c.open != (d.missing > 0) {
				t.Fatalf("%+v: %v", d, err)
			}
		}
		for _, u := range c.units {
			if len(u.es) > u.Size {
				t.Fatalf("%d bytes, %d were told", len(u.es), u.Size)
			}
		}
	})
}
