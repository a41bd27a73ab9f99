package markup

import (
	"bytes"
	"encoding/xml"
	"html"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestAppend(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"live":                     "live",
		"a<b>&'c\"\x01é\xff\uffff": "a&lt;b&gt;&amp;&#39;c&quot;?é\ufffd?",
		"a\r\nb\x7f":               "a??b?",
	} {
		if got := string(Append([]byte("x"), []byte(text))); got != "x"+want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := string(AppendLine([]byte("x"), []byte("a<b>\r\nc\u0085\u2028é\xff"))); got != "xa<b>??c??é\ufffd" {
		t.Errorf("%q", got)
	}
}

func TestAppendElement(t *testing.T) {
	b := AppendElement([]byte("x"), "  ", "title", nil, "\n")
	if b = AppendElement(b, "  ", "title", []byte("a<b"), "\r\n"); string(b) != "x  <title>a&lt;b</title>\r\n" {
		t.Errorf("%q", b)
	}
}

func TestAllocations(t *testing.T) {
	b, text := make([]byte, 0, 1024), []byte("a<b>&'c\"\x01é")
	if n := testing.AllocsPerRun(100, func() { b = AppendLine(Append(b[:0], text), text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAppend: readers of XML and of HTML find the text, and nothing else.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("</title><script>\xff\x00"))
	f.Add([]byte("]]>&amp;&#0;\u2028"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := Append(nil, text)
		d := xml.NewDecoder(strings.NewReader("<a b=\"" + string(b) + "\">" + string(b) + "</a>"))
		token, err := d.Token()
		start, ok := token.(xml.StartElement)
		if err != nil || !ok || len(start.Attr) != 1 {
			t.Fatalf("%q: %v, %v", b, token, err)
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff {
				return '?'
			}
			return r
		}, strings.ToValidUTF8(mark(text), "\ufffd"))
		if start.Attr[0].Value != want || html.UnescapeString(string(b)) != want {
			t.Errorf("%q is read as %q and %q", want, start.Attr[0].Value, html.UnescapeString(string(b)))
		}
		line := AppendLine(nil, text)
		if !utf8.Valid(line) || bytes.ContainsFunc(line, unicode.IsControl) {
			t.Errorf("line %q", line)
		}
	})
}

// mark replaces each byte that is no UTF-8, since ToValidUTF8 replaces runs of them.
func mark(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}
