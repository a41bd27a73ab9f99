package httptext

import (
	"bytes"
	"testing"
)

func FuzzText(f *testing.F) {
	for _, s := range []string{
		"no-cache,rate=1.000000,stream-time=0Connection: Close", "stream-switch-entry=ffff:1:0 ffff:2:0 ",
		`a="b,\"c";d=e, f`, "18446744073709551616",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rest, steps := b, 0
		for ok := true; ok; steps++ {
			var name, value, tail []byte
			if name, value, tail, ok = NextPragma(rest); len(name)+len(value) > len(rest) {
				t.Fatalf("%q of %q", value, rest)
			}
			rest = tail
		}
		rest = b
		for ok := true; ok; steps++ {
			_, rest, ok = NextSwitch(rest)
		}
		if steps > 2+2*len(b) {
			t.Fatal("no progress")
		}
		fs := []Field{{[]byte("Pragma"), b}}
		Pragma(fs, "rate")
		PragmaUint(fs, "rate")
		HasToken(fs, "Pragma", "x")
		Agent(fs, "x")
		Param(b, "a")
		if got := AppendUnquoted(nil, b); len(got) > len(b) {
			t.Fatal("unquoting grows")
		}
		if q, err := AppendQuoted(nil, b); err == nil && !bytes.Equal(AppendUnquoted(nil, q), b) {
			t.Fatalf("%q", q)
		}
		Hex(b)
		Uint(b)
		if i := index(b, "ab"); i != bytes.Index(b, []byte("ab")) {
			t.Fatal(i)
		}
	})
}

func FuzzHead(f *testing.F) {
	for _, s := range []string{"GET /a%20b?c=d&e HTTP/1.1\r\nHost: h\r\n\r\n", "rtsp://h/%c3%a4", "A: b\nC:\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path, query := SplitTarget(b)
		got, err := AppendDecoded(nil, path)
		if err == nil && (len(got) > len(path) || bytes.IndexByte(path, '%') < 0 && !bytes.Equal(got, path)) {
			t.Fatalf("%q from %q", got, path)
		}
		if loose := Unescape(bytes.Clone(path)); err == nil && !bytes.Equal(loose, got) {
			t.Fatalf("%q, not %q, from %q", loose, got, path)
		}
		for ok := true; ok; {
			_, _, query, ok = NextQuery(query)
		}
		if line, err := AppendField(nil, "A", b); err == nil {
			if f, rest, ok := NextField(line); !ok || len(rest) != 0 || !bytes.Equal(f.Value, Trim(b)) {
				t.Fatalf("%q", line)
			}
		}
		if n, ok := HeadEnd(b); ok && (n > len(b) || b[n-1] != '\n') {
			t.Fatal(n)
		}
		rest := b
		for ok := true; ok; {
			_, rest, ok = NextField(rest)
		}
		if m, target, p, ok := RequestLine(b); ok && len(m)+len(target)+len(p)+2 > len(b) {
			t.Fatalf("%q", b)
		}
	})
}
