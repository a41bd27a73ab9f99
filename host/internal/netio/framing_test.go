package netio

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// observed feeds b in pieces of n bytes and gives what next says of each request, until
// the first refusal or as long as there are any.
func observed(b string, n int) (sound int, bad bool, err error) {
	f := &framing{}
	for p := []byte(b); len(p) > 0 && err == nil; {
		m := min(n, len(p))
		err = f.observe(p[:m])
		p = p[m:]
	}
	for f.next() {
		sound++
	}
	return sound, f.bad.Load() != 0, err
}

var framingCases = []struct {
	name, bytes string
	sound       int
	bad         bool
}{
	{"plain", "GET / HTTP/1.1\nHost: h\n\n", 1, false},
	{"two", "GET / HTTP/1.1\nHost: h\n\nGET /2 HTTP/1.0\n\n", 2, false},
	{"length", "POST / HTTP/1.1\nContent-Length: 5\n\n12345GET / HTTP/1.1\n\n", 2, false},
	{"length 0", "POST / HTTP/1.1\nContent-Length: 0\n\nGET / HTTP/1.1\n\n", 2, false},
	{"chunked", "POST / HTTP/1.1\nTransfer-Encoding: Chunked\n\n5\n12345\n1;a=b\n1\n0\nT: t\n\nGET / HTTP/1.1\n\n", 2, false},
	{"chunked, empty", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\nGET / HTTP/1.1\n\n", 2, false},
	{"long line", "GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\nX: " + strings.Repeat("b", 5000) + "\n\n", 1, false},
	{"blank line first", "\n\nGET / HTTP/1.1\n\n", 1, false},
	{"ffmpeg's pragma", capturedPlay, 1, false},
	{"CL.TE", "POST / HTTP/1.1\nContent-Length: 6\nTransfer-Encoding: chunked\n\n0\n\nG", 0, true},
	{"TE.CL", "POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 4\n\n5c\nGPOST / HTTP/1.1", 0, true},
	{"length twice", "POST / HTTP/1.1\nContent-Length: 5\nContent-Length: 6\n\n", 0, true},
	{"length twice alike", "POST / HTTP/1.1\nContent-Length: 5\nContent-Length: 5\n\n", 0, true},
	{"lengths in a list", "POST / HTTP/1.1\nContent-Length: 5, 5\n\n", 0, true},
	{"length signed", "POST / HTTP/1.1\nContent-Length: +5\n\n", 0, true},
	{"length negative", "POST / HTTP/1.1\nContent-Length: -5\n\n", 0, true},
	{"length hexadecimal", "POST / HTTP/1.1\nContent-Length: 0x5\n\n", 0, true},
	{"length empty", "POST / HTTP/1.1\nContent-Length:\n\n", 0, true},
	{"length huge", "POST / HTTP/1.1\nContent-Length: 9223372036854775808\n\n", 0, true},
	{"length long", "POST / HTTP/1.1\nContent-Length: " + strings.Repeat("0", 200) + "5\n\n", 0, true},
	{"xchunked", "POST / HTTP/1.1\nTransfer-Encoding: xchunked\n\n", 0, true},
	{"coding twice", "POST / HTTP/1.1\nTransfer-Encoding: chunked\nTransfer-encoding: chunked\n\n", 0, true},
	{"coding list", "POST / HTTP/1.1\nTransfer-Encoding: chunked, identity\n\n", 0, true},
	{"coding of 1.0", "POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n", 0, true},
	{"coding with vertical tab", "POST / HTTP/1.1\nTransfer-Encoding: \x0bchunked\n\n", 0, true},
	{"blank before colon", "POST / HTTP/1.1\nTransfer-Encoding : chunked\n\n", 0, true},
	{"folded", "POST / HTTP/1.1\nTransfer-Encoding:\n chunked\n\n", 0, true},
	{"folded name", "GET / HTTP/1.1\nX: y\n Content-Length: 5\n\n", 0, true},
	{"no colon", "GET / HTTP/1.1\nContent-Length 5\n\n", 0, true},
	{"no version", "GET /\n\n", 0, true},
	{"HTTP/2", "PRI * HTTP/2.0\n\nSM\n\n", 0, true},
	{"zero byte", "GET / HTTP/1.1\nX: \x00\n\n", 0, true},
	{"second is bad", "GET / HTTP/1.1\n\nPOST / HTTP/1.1\nContent-Length: x\n\n", 1, true},
	{"chunk size with blanks", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n5 \n12345\n0\n\n", 0, true},
	{"chunk size signed", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n+5\n12345\n0\n\n", 0, true},
	{"chunk size 0x", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0x5\n12345\n0\n\n", 0, true},
	{"chunk size huge", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\nffffffffffffffff1\n", 0, true},
	{"chunk size wraps", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\nffffffffffffffff\n", 0, true},
	{"chunk extension long", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n5;" + strings.Repeat("a", 300) + "\n12345\n0\n\n", 0, true},
	{"chunk without end", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n5\n12345x\n0\n\n", 0, true},
	{"trailer long", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n" + strings.Repeat("T: "+strings.Repeat("t", 90)+"\n", 100) + "\n", 0, true},
	{"trailer frames", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\nContent-Length: 5\n\n", 0, true},
	{"many blank lines", "\n\n\nGET / HTTP/1.1\n\n", 0, true},
}

func TestFraming(t *testing.T) {
	for _, c := range framingCases {
		for _, n := range []int{1, 2, 3, 7, 1 << 20} {
			b := c.bytes
			if !strings.Contains(b, "\r") {
				b = crlf(b)
			}
			sound, bad, _ := observed(b, n)
			if bad != c.bad || sound != c.sound {
				t.Errorf("%s, by %d: %d sound, bad %v", c.name, n, sound, bad)
			}
		}
	}
	for _, b := range []string{
		"GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\nHost: h\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\n", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\n12345\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\n0\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;\na\r\n12345\r\n0\r\n\r\n",
	} {
		if sound, bad, _ := observed(b, 1<<20); sound != 0 || !bad {
			t.Errorf("%q: %d sound, bad %v", b, sound, bad)
		}
	}
}

func TestFramingAllocatesNothing(t *testing.T) {
	b := []byte(crlf("POST / HTTP/1.1\nHost: h\nUser-Agent: x\nContent-Length: 5\n\n12345"))
	f := &framing{}
	if n := testing.AllocsPerRun(100, func() {
		if f.observe(b) != nil || !f.next() {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFraming: what is found does not depend on how the bytes were cut, and where a
// request is sound its end is where net/http sees it.
func FuzzFraming(f *testing.F) {
	for _, c := range framingCases {
		f.Add([]byte(crlf(c.bytes)), uint8(3))
		f.Add([]byte(c.bytes), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		sound, bad, _ := observed(string(b), 1<<20)
		if s, d, _ := observed(string(b), int(n)+1); s != sound || d != bad {
			t.Fatalf("whole: %d %v, by %d: %d %v", sound, bad, int(n)+1, s, d)
		}
		ends := framedEnds(b)
		from := bytes.NewReader(b)
		in := bufio.NewReader(from)
		for i := range sound {
			r, err := http.ReadRequest(in)
			if err != nil {
				return // net/http is stricter: it answers 400 itself
			}
			if _, err = io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			at := len(b) - from.Len() - in.Buffered()
			if i < len(ends) && at != ends[i] || i >= len(ends) && at < len(b) {
				t.Fatalf("request %d ends at %d for net/http, here %v", i, at, ends)
			}
		}
	})
}

// framedEnds gives where each request ends.
func framedEnds(b []byte) (ends []int) {
	f := &framing{}
	for i := range b {
		before := f.at
		if f.observe(b[i:i+1]) != nil {
			break
		}
		if f.at == inRequestLine && before != inRequestLine {
			ends = append(ends, i+1)
		}
	}
	return ends
}
