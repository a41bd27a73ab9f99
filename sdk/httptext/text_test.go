package httptext

import (
	"errors"
	"slices"
	"testing"
)

func fields(pairs ...string) []Field {
	var fs []Field
	for i := 0; i < len(pairs); i += 2 {
		fs = append(fs, Field{[]byte(pairs[i]), []byte(pairs[i+1])})
	}
	return fs
}

// play is the Play request of ffmpeg, captured, with its missing line break.
var play = fields(
	"Range", "bytes=0-",
	"User-Agent", "NSPlayer/4.1.0.3856",
	"Pragma", "no-cache,rate=1.000000,request-context=2",
	"Pragma", "xPlayStrm=1",
	"Pragma", "xClientGUID={c77e7400-738a-11d2-9add-0020af0a3278}",
	"Pragma", "stream-switch-count=2",
	"Pragma", "stream-switch-entry=ffff:1:0 ffff:2:0 ",
	"pragma", "no-cache,rate=1.000000,stream-time=0Connection: Close",
)

func TestPragma(t *testing.T) {
	for name, want := range map[string]string{
		"no-cache":            "",
		"rate":                "1.000000",
		"XPLAYSTRM":           "1",
		"xClientGUID":         "{c77e7400-738a-11d2-9add-0020af0a3278}",
		"stream-switch-count": "2",
		"stream-switch-entry": "ffff:1:0 ffff:2:0",
		"stream-time":         "0",
		"request-context":     "2",
	} {
		if v, ok := Pragma(play, name); !ok || string(v) != want {
			t.Errorf("%s: %q %v", name, v, ok)
		}
	}
	if v, ok := Pragma(play, "xPlay"); ok {
		t.Errorf("xPlay: %q", v)
	}
	if n, ok := PragmaUint(play, "stream-time"); !ok || n != 0 {
		t.Error(n, ok)
	}
	if n, ok := PragmaUint(play, "xClientGUID"); ok {
		t.Error(n)
	}
	if n, ok := PragmaUint(fields("Pragma", "client-id=4124758405 , x"), "client-id"); !ok || n != 4124758405 {
		t.Error(n, ok)
	}
	if v, _ := Pragma(fields("Pragma", `features="broadcast,x" , timeout=60000`), "features"); string(v) != "broadcast,x" {
		t.Errorf("%q", v)
	}
	name, value, rest, ok := NextPragma([]byte("stream-switch-entry=ffff:1:0, odd"))
	if !ok || string(name) != switchEntry || string(value) != "ffff:1:0, odd" || rest != nil {
		t.Errorf("%q %q %q", name, value, rest)
	}
}

func TestSwitches(t *testing.T) {
	var got []Switch
	for rest := []byte("ffff:1:0  ffff:a:2 zz:1:0 1:2 10000:1:0 ffff:1:100 3:ff:1 "); ; {
		e, tail, ok := NextSwitch(rest)
		if !ok {
			break
		}
		got = append(got, e)
		rest = tail
	}
	want := []Switch{{0xFFFF, 1, 0}, {0xFFFF, 10, 2}, {3, 255, 1}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTokens(t *testing.T) {
	fs := fields("connection", "Keep-Alive, \"a,b\",, TE ;q=1", "Connection", "close", "Host", " h \t")
	for token, want := range map[string]bool{"close": true, "keep-alive": true, "te": true, "a": false, "b": false, "keep": false, "": false} {
		if HasToken(fs, "CONNECTION", token) != want {
			t.Errorf("%q", token)
		}
	}
	if v, ok := Get(fs, "hOST"); !ok || string(v) != "h" {
		t.Errorf("%q", v)
	}
	if _, ok := Get(fs, "none"); ok {
		t.Error("none")
	}
	var got []string
	for rest := []byte(` a , "b,\"c" ,,d=", ",`); ; {
		token, tail, ok := NextToken(rest)
		if !ok {
			break
		}
		got = append(got, string(token))
		rest = tail
	}
	if want := []string{"a", `"b,\"c"`, `d=", "`}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !Agent(play, "Cougar", "NSPlayer/") || Agent(play, "nsplayer/") || Agent(nil, "x") || Agent(play, "4.1.0.38567") || !Agent(play, "") {
		t.Error("agent")
	}
}

func TestFolding(t *testing.T) {
	for _, c := range []struct {
		b, s                    string
		equal, prefix, contains bool
	}{
		{"Content-Type", "content-TYPE", true, true, true},
		{"Content-Type", "content", false, true, true},
		{"Content-Type", "TYPE", false, false, true},
		{"[", "{", false, false, false},
		{"@", "`", false, false, false},
		{"", "", true, true, true},
		{"a", "ab", false, false, false},
	} {
		b := []byte(c.b)
		if EqualFold(b, c.s) != c.equal || HasPrefixFold(b, c.s) != c.prefix || ContainsFold(b, c.s) != c.contains {
			t.Errorf("%q %q", c.b, c.s)
		}
	}
}

func TestParams(t *testing.T) {
	v := []byte(`Application/x-wms-PushStart ; charset="a;b" ; Q=1;flag`)
	if got := MediaType(v); !EqualFold(got, "application/x-wms-pushstart") {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]string{"CHARSET": "a;b", "q": "1", "flag": ""} {
		if got, ok := Param(v, name); !ok || string(got) != want {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
	if _, ok := Param(v, "b"); ok {
		t.Error("b is quoted")
	}
	if _, ok := Param([]byte("a"), ""); ok {
		t.Error("no parameter")
	}
	if got := AppendUnquoted([]byte("x"), []byte(`"a\"b\\c\"`)); string(got) != `xa"b\c\` && string(got) != `x"a"b\c"` {
		t.Errorf("%q", got)
	}
	if got := AppendUnquoted(nil, []byte(`"a\"b"`)); string(got) != `a"b` {
		t.Errorf("%q", got)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    uint64
		ok   bool
		rest string
		whol bool
	}{
		{"0", 0, true, "", true},
		{"18446744073709551615", 1<<64 - 1, true, "", true},
		{"18446744073709551616", 0, false, "", false},
		{"99999999999999999999", 0, false, "", false},
		{"12ab", 12, true, "ab", false},
		{"", 0, false, "", false},
		{"-1", 0, false, "", false},
		{" 1", 0, false, "", false},
	} {
		n, rest, ok := LeadingUint([]byte(c.s))
		if ok != c.ok || ok && (n != c.n || string(rest) != c.rest) {
			t.Errorf("%q: %d %q %v", c.s, n, rest, ok)
		}
		if n, ok := Uint([]byte(c.s)); ok != c.whol || ok && n != c.n {
			t.Errorf("Uint(%q): %d %v", c.s, n, ok)
		}
	}
	for s, want := range map[string]uint64{"ffff": 0xFFFF, "FfFfFfFfFfFfFfFf": 1<<64 - 1, "0": 0, "00000000000000000001": 1} {
		if n, ok := Hex([]byte(s)); !ok || n != want {
			t.Errorf("%q: %x %v", s, n, ok)
		}
	}
	for _, s := range []string{"", "g", "0x1", "10000000000000000", "1 "} {
		if n, ok := Hex([]byte(s)); ok {
			t.Errorf("%q: %x", s, n)
		}
	}
	if n, rest, ok := LeadingHex([]byte("1F;x")); n != 31 || string(rest) != ";x" || !ok {
		t.Error(n, rest, ok)
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ target, path, query string }{
		{"/live", "/live", ""},
		{"/live?a=b?c", "/live", "a=b?c"},
		{"rtsp://host:554/a/b?x", "/a/b", "x"},
		{"rtsp://host", "/", ""},
		{"http://host?x", "/", "x"},
		{"*", "*", ""},
		{"", "/", ""},
		{"/a://b", "/a://b", ""},
		{"/a#b?c", "/a", ""},
	} {
		path, query := SplitTarget([]byte(c.target))
		if string(path) != c.path || string(query) != c.query {
			t.Errorf("%q: %q %q", c.target, path, query)
		}
	}
	var got []string
	for rest := []byte("&a=1&&b&=c&d="); ; {
		name, value, tail, ok := NextQuery(rest)
		if !ok {
			break
		}
		got = append(got, string(name)+":"+string(value))
		rest = tail
	}
	if want := []string{"a:1", "b:", ":c", "d:"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for in, want := range map[string]string{"/a%20b+c%2F%c3%A4": "/a b+c/ä", "": "", "/x": "/x"} {
		if got, err := AppendDecoded([]byte("p"), []byte(in)); err != nil || string(got) != "p"+want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for _, in := range []string{"%", "a%2", "a%zz", "a%00b", "%%20", "a%2g"} {
		if got, err := AppendDecoded([]byte("p"), []byte(in)); !errors.Is(err, ErrEscape) || string(got) != "p" {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for in, want := range map[string]string{"/a%20b+c%2F%c3%A4": "/a b+c/ä", "": "", "100%": "100%", "%2": "%2", "a%zz%": "a%zz%", "%%20": "% ", "%2520": "%20"} {
		if got := Unescape([]byte(in)); string(got) != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestHeads(t *testing.T) {
	const head = "SETUP rtsp://h/a b RTSP/1.0\r\nCSeq: 2\r\nTransport:RTP/AVP/TCP;interleaved=0-1\nEmpty:\r\n\r\n"
	b := []byte(head + "$\x00")
	n, ok := HeadEnd(b)
	if !ok || n != len(head) {
		t.Fatal(n, ok)
	}
	for i := range head {
		if _, ok = HeadEnd(b[:i]); ok {
			t.Fatalf("end after %d bytes", i)
		}
	}
	if n, ok = HeadEnd([]byte("\r\nX Y Z\n\nrest")); !ok || n != 9 {
		t.Error(n, ok)
	}
	line, rest, _ := NextLine(b)
	if _, _, _, ok = RequestLine(line); ok {
		t.Error("a target with a blank")
	}
	method, target, proto, ok := RequestLine([]byte("DESCRIBE rtsp://h/a RTSP/1.0"))
	if !ok || string(method) != "DESCRIBE" || string(target) != "rtsp://h/a" || string(proto) != "RTSP/1.0" {
		t.Errorf("%q %q %q", method, target, proto)
	}
	for _, bad := range []string{"", " ", "A B", "A  C/1", " B C/1", "A B C", "A B /1", "A\x01 B C/1", "A b\x00 C/1", "A: B C/1.0 "} {
		if m, g, p, ok := RequestLine([]byte(bad)); ok {
			t.Errorf("%q: %q %q %q", bad, m, g, p)
		}
	}
	var got []string
	for {
		f, tail, ok := NextField(rest)
		if !ok {
			break
		}
		got = append(got, string(f.Name)+"="+string(f.Value))
		rest = tail
	}
	if want := []string{"CSeq=2", "Transport=RTP/AVP/TCP;interleaved=0-1", "Empty="}; !slices.Equal(got, want) || string(rest) != "\r\n$\x00" {
		t.Errorf("%q, rest %q", got, rest)
	}
	for _, bad := range []string{"no colon\r\n", ": x\r\n", "a b: c\r\n", " folded: x\r\n", "a: b\x00\r\n", "a: b"} {
		if f, rest, ok := NextField([]byte(bad)); ok || string(rest) != bad {
			t.Errorf("%q: %q", bad, f)
		}
	}
}

func TestBuild(t *testing.T) {
	b, err := AppendStatus(nil, "HTTP/1.0", 200, "OK")
	b, err2 := AppendField(b, "Server", "Cougar/9.6")
	b, err3 := AppendField(b, "Pragma", []byte("client-id=1"))
	b, err4 := AppendUintField(b, "Content-Length", 821)
	b, err5 := AppendField(b, "X-Empty", "")
	if err = errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	const want = "HTTP/1.0 200 OK\r\nServer: Cougar/9.6\r\nPragma: client-id=1\r\nContent-Length: 821\r\nX-Empty: \r\n"
	if string(b) != want {
		t.Errorf("%q", b)
	}
	for _, bad := range [][2]string{{"A", "x\r\nB: y"}, {"A", "x\n"}, {"A", "x\x00"}, {"A b", "x"}, {"A:", "x"}, {"", "x"}, {"A\r\n", "x"}, {"Ä", "x"}} {
		if got, err := AppendField(b, bad[0], bad[1]); !errors.Is(err, ErrField) || string(got) != want {
			t.Errorf("%q", bad)
		}
	}
	for _, code := range []int{0, 99, 1000, -200} {
		if _, err := AppendStatus(nil, "RTSP/1.0", code, ""); !errors.Is(err, ErrField) {
			t.Error(code)
		}
	}
	if _, err := AppendStatus(nil, "RTSP/1.0", 200, "OK\r\n"); !errors.Is(err, ErrField) {
		t.Error("line break in the reason")
	}
	if _, err := AppendUintField(nil, "a b", 1); !errors.Is(err, ErrField) {
		t.Error("name")
	}
	if got, err := AppendQuoted([]byte("x="), `a"b\c`); err != nil || string(got) != `x="a\"b\\c"` {
		t.Errorf("%q", got)
	}
	if _, err := AppendQuoted(nil, "a\nb"); !errors.Is(err, ErrField) {
		t.Error("line break in quotes")
	}
}

func TestAllocates(t *testing.T) {
	dst := make([]byte, 0, 256)
	value := []byte("a%20b")
	if n := testing.AllocsPerRun(100, func() {
		if v, ok := Pragma(play, "stream-switch-entry"); !ok || len(v) == 0 {
			t.Fatal("pragma")
		}
		Agent(play, "NSServer/", "NSPlayer/")
		HasToken(play, "Pragma", "xPlayStrm=1")
		dst, _ = AppendDecoded(dst[:0], value)
		dst, _ = AppendField(dst, "Server", "x")
		dst, _ = AppendField(dst, "Server", value)
		dst, _ = AppendUintField(dst, "Content-Length", 1<<40)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
