package holder

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"unicode"
)

func TestParseNet(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the lines are those of a little-endian machine")
	}
	const (
		listening = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 0000000000000000 100 0 0 10 0"
		connected = "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 30 10 -1"
		closing   = "   2: 0100007F:1F90 0100007F:C350 06 00000000:00000000 03:00000A4C 00000000     0        0 0 3 0000000000000000"
		six       = "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0"
		datagrams = "  10: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   104        0 21 2 0000000000000000 0"
	)
	for _, c := range []struct {
		line string
		udp  bool
		want socket
		ok   bool
	}{
		{listening, false, socket{address: netip.MustParseAddrPort("127.0.0.1:8080"), inode: 4711, uid: 33, listening: true}, true},
		{connected, false, socket{address: netip.MustParseAddrPort("127.0.0.1:8080"), inode: 4712}, true},
		{closing, false, socket{}, false},
		{six, false, socket{address: netip.MustParseAddrPort("[::1]:80"), inode: 9, listening: true}, true},
		{datagrams, true, socket{address: netip.MustParseAddrPort("0.0.0.0:5353"), inode: 21, uid: 104}, true},
		{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", false, socket{}, false},
		{"", true, socket{}, false},
	} {
		if got, ok := parseNet(c.line, c.udp); got != c.want || ok != c.ok {
			t.Errorf("%q: %+v, %v", c.line, got, ok)
		}
	}
}

func TestParseInodeAndProgram(t *testing.T) {
	for text, want := range map[string]uint64{"socket:[4711]": 4711, "socket:[]": 0, "socket:[1": 0, "pipe:[5]": 0, "/dev/null": 0, "socket:[-1]": 0} {
		if got, ok := parseInode(text); ok != (want != 0) || ok && got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	for text, want := range map[string]string{"nginx\n": "nginx", "a\x1b[2Jb\n": "a?[2Jb", "": "?", "\xff\n": "?"} {
		if got := parseProgram(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestParseMessage(t *testing.T) {
	b := make([]byte, messageBytes)
	b[atFamily], b[atState] = familyV6, stateListen
	binary.BigEndian.PutUint16(b[atPort:], 80)
	b[atSource+15] = 1
	binary.NativeEndian.PutUint32(b[atUID:], 33)
	binary.NativeEndian.PutUint32(b[atInode:], 7)
	attr := binary.NativeEndian.AppendUint16(nil, 5)
	attr = binary.NativeEndian.AppendUint16(attr, attrV6Only)
	attr = append(attr, 1, 0, 0, 0)
	want := socket{address: netip.MustParseAddrPort("[::1]:80"), inode: 7, uid: 33, listening: true, v6only: true}
	if got, ok := parseMessage(slices.Concat(b, attr), false); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := parseMessage(b[:messageBytes-1], false); ok {
		t.Error("a short message is taken")
	}
}

func FuzzParseNet(f *testing.F) {
	f.Add("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 0", false)
	f.Add(" 1: 00000000000000000000000001000000:0050 0:0 07 0 0 0 0 0 9", true)
	f.Fuzz(func(t *testing.T, line string, udp bool) {
		if s, ok := parseNet(line, udp); ok && !s.address.IsValid() {
			t.Errorf("%q: no address", line)
		}
	})
}

func FuzzParseProcess(f *testing.F) {
	f.Add("socket:[1]", "nginx\n")
	f.Fuzz(func(t *testing.T, link, comm string) {
		parseInode(link)
		name := parseProgram(comm)
		if name == "" || len(name) > 4*maxProgram {
			t.Errorf("%q: %q", comm, name)
		}
		for _, r := range name {
			if !unicode.IsPrint(r) {
				t.Errorf("%q: %q is not printable", comm, name)
			}
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	f.Add(bytes.Repeat([]byte{10}, messageBytes+8), false)
	f.Fuzz(func(t *testing.T, b []byte, udp bool) {
		if s, ok := parseMessage(b, udp); ok && !s.address.IsValid() {
			t.Errorf("%x: no address", b)
		}
	})
}
