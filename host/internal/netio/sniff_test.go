package netio

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

var testPatterns = []Pattern{
	{Plugin: "mms", Offset: 4, Bytes: []byte{0xCE, 0xFA, 0x0B, 0xB0}},
	{Plugin: "rtsp", Bytes: []byte("OPTIONS rtsp://h/")},
	{Plugin: "masked", Bytes: []byte{0x80, 0x01}, Mask: []byte{0xC0, 0xFF}},
	{Plugin: "short", Bytes: []byte{0xF0}},
	{Plugin: "long", Bytes: []byte{0xF0, 0x01, 0x02}},
}

func TestScan(t *testing.T) {
	cases := []struct {
		name  string
		http  bool
		bytes string
		want  verdict
	}{
		{"one letter", true, "G", verdict{more: true}},
		{"method unfinished", true, "GE", verdict{more: true}},
		{"request", true, "GET /x", verdict{outcome: OutcomeHTTP, decided: true}},
		{"source method", true, "SOURCE /m.ogg", verdict{outcome: OutcomeHTTP, decided: true}},
		{"method of 16", true, strings.Repeat("A", 16) + " / HTTP/1.1\n", verdict{outcome: OutcomeHTTP, decided: true}},
		{"http may still be rtsp", true, "OPTIONS ", verdict{more: true}},
		{"http options unfinished", true, "OPTIONS * HTT", verdict{more: true}},
		{"http options", true, "OPTIONS * HTTP/1.1\r\n", verdict{outcome: OutcomeHTTP, decided: true}},
		{"rtsp options", true, "OPTIONS * RTSP/1.0\r\n", verdict{outcome: OutcomeRTSP, decided: true}},
		{"rtsp only method", true, "GET_PARAMETER rtsp://h/ RTSP/2.0\r\n", verdict{outcome: OutcomeRTSP, decided: true}},
		{"underscore without rtsp", true, "GET_PARAMETER / HTTP/1.1\r\n", verdict{outcome: OutcomeUnknown, decided: true}},
		{"long http target", true, "PROPFIND /" + strings.Repeat("a", SniffBytes), verdict{outcome: OutcomeHTTP, decided: true}},
		{"long rtsp target", true, "DESCRIBE rtsp://" + strings.Repeat("a", SniffBytes), verdict{outcome: OutcomeRTSP, decided: true}},
		{"rtsp beats http", true, "OPTIONS rtsp://h/", verdict{outcome: OutcomeRaw, plugin: "rtsp", decided: true}},
		{"rtsp without http", false, "OPTIONS rtsp://h/", verdict{outcome: OutcomeRaw, plugin: "rtsp", decided: true}},
		{"offset not reached", true, "\x01\x00\x00\x00", verdict{more: true}},
		{"offset", true, string(mmsGreeting), verdict{outcome: OutcomeRaw, plugin: "mms", decided: true}},
		{"mask", true, "\xBF\x01", verdict{outcome: OutcomeRaw, plugin: "masked", decided: true}},
		{"short, perhaps long", true, "\xF0\x01", verdict{outcome: OutcomeRaw, plugin: "short", decided: true, more: true}},
		{"long beats short", true, "\xF0\x01\x02", verdict{outcome: OutcomeRaw, plugin: "long", decided: true}},
		{"not long", true, "\xF0\x02", verdict{outcome: OutcomeRaw, plugin: "short", decided: true}},
		{"lower case", true, "get / HTTP/1.0", verdict{outcome: OutcomeUnknown, decided: true}},
		{"tls", true, "\x16\x03\x01\x02\x00", verdict{outcome: OutcomeTLS, decided: true}},
		{"http off", false, "GET / HTTP/1.0", verdict{outcome: OutcomeUnknown, decided: true}},
		{"garbage", true, "\x00\xFF\x00\xFF\x00\xFF\x00\xFF", verdict{outcome: OutcomeUnknown, decided: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tab, err := newTable(c.http, testPatterns)
			if err != nil {
				t.Fatal(err)
			}
			if got := tab.scan([]byte(c.bytes), 0); got != c.want {
				t.Errorf("scan(%q) = %+v, want %+v", c.bytes, got, c.want)
			}
		})
	}
}

func TestScanWithoutTakers(t *testing.T) {
	tab, _ := newTable(true, nil)
	cases := map[string]Outcome{
		string(mmsGreeting):     OutcomeMMS,
		"\x01\x00\x00\x00":      OutcomeUnknown,
		"\x16\x03\x03":          OutcomeTLS,
		strings.Repeat("A", 17): OutcomeUnknown,
		" GET":                  OutcomeUnknown,
	}
	for in, want := range cases {
		if v := tab.scan([]byte(in), 0); !v.decided || v.more || v.outcome != want {
			t.Errorf("scan(%q) = %+v, want %v at once", in, v, want)
		}
	}
}

func TestScanRTSP(t *testing.T) {
	for _, http := range []bool{true, false} {
		tab, err := newTable(http, append(slices.Clone(testPatterns), Pattern{Plugin: "rtspt", RTSP: true}))
		if err != nil {
			t.Fatal(err)
		}
		for in, want := range map[string]string{
			"DESCRIBE rtsp://h/live RTSP/1.0\r\n": "rtspt",
			"ANNOUNCE /live RTSP/2.0\n":           "rtspt",
			"OPTIONS rtsp://h/ RTSP/1.0\r\n":      "rtsp", // bytes are more specific
		} {
			if v := tab.scan([]byte(in), 0); v != (verdict{outcome: OutcomeRaw, plugin: want, decided: true}) {
				t.Errorf("http %v: scan(%q) = %+v", http, in, v)
			}
		}
		want := OutcomeUnknown
		if http {
			want = OutcomeHTTP
		}
		if v := tab.scan([]byte("GET / RTSP/1.0\r\n"), 0); v.outcome != want {
			t.Errorf("GET: %+v", v)
		}
	}
	if _, err := newTable(true, []Pattern{{Plugin: "a", RTSP: true}, {Plugin: "b", RTSP: true}}); err == nil {
		t.Error("two plugins take RTSP")
	}
}

func TestRefuseRTSP(t *testing.T) {
	for in, want := range map[string]string{
		"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n":       "RTSP/1.0 503 Service Unavailable\r\nCSeq: 7\r\nConnection: close\r\n\r\n",
		"OPTIONS * RTSP/2.0\r\ncseq:x\r\nCSeq: 1":     "RTSP/2.0 503 Service Unavailable\r\nConnection: close\r\n\r\n",
		"DESCRIBE rtsp://" + strings.Repeat("a", 500): "RTSP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\n",
	} {
		if got := string(refuseRTSP([]byte(in))); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestPatternsRefused(t *testing.T) {
	bad := []Pattern{
		{Plugin: "p"},
		{Plugin: "p", Bytes: []byte{1}, Mask: []byte{1, 2}},
		{Plugin: "p", Bytes: []byte{1}, Mask: []byte{0}},
		{Plugin: "p", Offset: -1, Bytes: []byte{1}},
		{Plugin: "p", Offset: SniffBytes, Bytes: []byte{1}},
		{Plugin: "p", Offset: int(^uint(0) >> 1), Bytes: []byte{1}},
	}
	for _, p := range bad {
		if _, err := newTable(true, []Pattern{p}); err == nil {
			t.Errorf("pattern %+v accepted", p)
		}
	}
	if _, err := newTable(true, []Pattern{{Offset: SniffBytes - 1, Bytes: []byte{1}}}); err != nil {
		t.Error(err)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	tab, _ := newTable(true, testPatterns)
	in := []byte("OPTIONS rtsp://host/")
	if n := testing.AllocsPerRun(100, func() { tab.scan(in, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzScan: the verdict does not depend on how the bytes were cut, and
// SniffBytes always give one.
func FuzzScan(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n"), []byte("GET /"), []byte{}, uint16(0), true)
	f.Add(mmsGreeting, []byte{0xCE, 0xFA}, []byte{0xFF, 0xF0}, uint16(4), true)
	f.Add([]byte{0x16, 3, 1}, []byte{0x47}, []byte{}, uint16(188), false)
	f.Add([]byte("0000\xce\xfa\v\xb0"), []byte("0"), []byte{}, uint16(3), false) // decided before a stronger pattern began
	f.Add([]byte("SETUP rtsp://h/a RTSP/1.0\r\nCSeq: 3\r\n"), []byte("SETUP"), []byte{}, uint16(0), true)
	f.Add([]byte("SET_PARAMETER * RTSP/2.0\n"), []byte{1}, []byte{}, uint16(9), false)
	f.Fuzz(func(t *testing.T, in, pat, mask []byte, offset uint16, http bool) {
		refuseRTSP(in)
		patterns := append(slices.Clone(testPatterns), Pattern{Plugin: "fuzz", Offset: int(offset), Bytes: pat, Mask: mask})
		if len(pat)%2 == 0 {
			patterns = append(patterns, Pattern{Plugin: "rtspt", RTSP: true})
		}
		tab, err := newTable(http, patterns)
		if err != nil {
			return
		}
		full := make([]byte, SniffBytes)
		copy(full, in)
		whole := tab.scan(full, 0)
		if !whole.decided || whole.more {
			t.Fatalf("%d bytes leave %+v", SniffBytes, whole)
		}
		var cut verdict
		for n := 0; n < len(full) && (!cut.decided || cut.more); n++ {
			cut = tab.scan(full[:n+1], n)
			if !cut.decided && !cut.more {
				t.Fatalf("%d bytes: neither decided nor waiting", n+1)
			}
		}
		taken := whole.outcome <= OutcomeRaw
		if taken != (cut.outcome <= OutcomeRaw) || taken && cut != whole {
			t.Fatalf("whole %+v, byte by byte %+v", whole, cut)
		}
		if whole.plugin == "fuzz" && len(mask) == 0 && !bytes.Equal(full[offset:int(offset)+len(pat)], pat) {
			t.Fatal("matched other bytes")
		}
	})
}
