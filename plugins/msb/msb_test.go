package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }

func TestState(t *testing.T) {
	for _, want := range []packing{{}, {1}, {formats}} {
		var got packing
		if blob := want.AppendState(nil); len(blob) > 0 && got.ReadState(blob) != nil || got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for _, bad := range []string{"\x01", "\x00\x00", "\x00\x08"} {
		if new(packing).ReadState([]byte(bad)) == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFormats(t *testing.T) {
	if formatOf(1) != 1 || formatOf(formats) != formats || formatOf(formats+1) != 1 || formatOf(0) == 0 || formatOf(0) > formats {
		t.Errorf("%d %d %d %d", formatOf(1), formatOf(formats), formatOf(formats+1), formatOf(0))
	}
}

// TestVectors: VLC 3.0.24 has decoded these (wire digest §6.2).
func TestVectors(t *testing.T) {
	for s, want := range map[string]string{
		"10.9.9.1":      "0230000000000ICG0m02u0EG0k03a0BW0n0000",
		"TESTHOST,live": "02C0000000000SL01505C0L01804y0Km1K02m0R01f07O0PG0000",
		"239.192.7.7":   "02D0000000000OCW0p03a0BW0n03a0CW0k03S0BW0t0000",
	} {
		if got := string(text(nil, "K", s)); got != "K="+want+"\r\n" {
			t.Errorf("%s:\n got %swant %s", s, got, want)
		}
	}
	if got := string(number(nil, "IP Port", 26000)); got != "IP Port=0x00006590\r\n" {
		t.Error(got)
	}
}

// A packet of a live stream must cost the instance no memory.
func TestPacketsAllocateNothing(t *testing.T) {
	var state abi.State
	state.Blob = (&packing{7}).AppendState(nil)
	e := &abi.Packets{}
	for seq := range uint64(32) {
		e.Packets.Add(abi.PacketNote{Sequence: seq, Size: 1400})
	}
	frame, out := make([]byte, abi.UsualBox), make([]byte, abi.UsualBox)
	var w abi.Writer
	w.Reset(frame)
	if err := errors.Join(w.Put(1, 0, &state), w.Put(1, 0, e)); err != nil {
		t.Fatal(err)
	}
	p := newPlugin()
	if n := p.Call(w.Bytes(), out); n < 0 {
		t.Fatalf("call: %v", abi.Code(n))
	}
	if n := testing.AllocsPerRun(100, func() { p.Call(w.Bytes(), out) }); n != 0 {
		t.Errorf("%v allocations for 32 packets", n)
	}
}

// unblock is the other way round, as [MS-MSB] and VLC describe it.
func unblock(s string) (key uint32, data []byte, err error) {
	rest, ok := strings.CutPrefix(s, blockMark)
	if !ok {
		return 0, nil, errors.New("no block")
	}
	var b []byte
	bits, count := uint32(0), 0
	for _, c := range rest {
		v := strings.IndexRune(alphabet, c)
		if v < 0 {
			return 0, nil, errors.New("no character of the alphabet")
		}
		if bits, count = bits<<6|uint32(v), count+6; count >= 8 {
			count -= 8
			b = append(b, byte(bits>>count))
		}
	}
	if len(b) < blockHead || int(binary.BigEndian.Uint32(b[5:])) != len(b)-blockHead {
		return 0, nil, errors.New("another length")
	}
	crc := byte(0)
	for _, c := range b {
		crc ^= c
	}
	if crc != 0 {
		return 0, nil, errors.New("another sum")
	}
	return binary.BigEndian.Uint32(b[1:]), b[blockHead:], nil
}

func FuzzBlock(f *testing.F) {
	f.Add(uint32(1), []byte("0&\xb2u"))
	f.Add(uint32(0), []byte{})
	f.Fuzz(func(t *testing.T, key uint32, data []byte) {
		s := string(block(nil, key, data))
		k, d, err := unblock(s)
		if err != nil || k != key || !bytes.Equal(d, data) {
			t.Errorf("%s is %d, %x (%v)", s, k, d, err)
		}
	})
}

// FuzzStation: whatever others wrote, each line is a key and a value.
func FuzzStation(f *testing.F) {
	f.Add("live", "mms://h/live", "239.192.7.7", []byte("header"))
	f.Add("a\r\nIP Port=0x1\xff😀", "\"\r\n", "\x00", []byte{})
	f.Fuzz(func(t *testing.T, name, url, group string, header []byte) {
		if url == "" {
			t.Skip("there is no line for none")
		}
		var e abi.DocumentRequest
		e.Point.Name = []byte(name)
		e.Endpoints.Add(abi.Endpoint{Scheme: []byte("mms"), URL: []byte(url)})
		g := abi.Endpoint{Group: []byte(group), Local: []byte("192.0.2.1"), Port: 5000, TTL: 1}
		lines := strings.Split(string((&plugin{5000}).station(nil, &e, &g, 3, header)), "\r\n")
		if len(lines) != 17 || lines[0] != "[Address]" || lines[13] != "[Formats]" || lines[16] != "" {
			t.Fatalf("%q", lines)
		}
		for i, want := range map[int]string{1: "weir," + name, 3: "192.0.2.1", 4: group, 8: url, 15: name} {
			_, value, _ := strings.Cut(lines[i], "=")
			_, data, err := unblock(value)
			wide := make([]uint16, len(data)/2)
			for j := range wide {
				wide[j] = binary.LittleEndian.Uint16(data[2*j:])
			}
			if got := string(utf16.Decode(wide)); err != nil || got != string([]rune(want))+"\x00" {
				t.Errorf("line %d is %q (%v), not %q", i, got, err, want)
			}
		}
		_, value, _ := strings.Cut(lines[14], "=")
		if key, data, err := unblock(value); err != nil || key != 3 || !bytes.Equal(data, header) {
			t.Errorf("format %d %x (%v)", key, data, err)
		}
	})
}
