package netio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// pieces reads b in pieces of n bytes, with a deadline between any two.
type pieces struct {
	b    []byte
	n    int
	late bool
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	if p.late = !p.late; p.late {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

// readMoving reads a body to its end; after each deadline another reader goes on from the state.
func readMoving(wire []byte, n, most int) ([]byte, error) {
	from := &pieces{b: wire, n: n}
	r := &chunkReader{in: bufio.NewReaderSize(from, 16)}
	var got []byte
	b := make([]byte, most)
	for {
		n, err := r.Read(b)
		got = append(got, b[:n]...)
		switch {
		case isTimeout(err):
			ahead, _ := r.in.Peek(r.in.Buffered())
			rest := io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), from)
			state := r.state
			state.Line = bytes.Clone(state.Line)
			r = &chunkReader{in: bufio.NewReaderSize(rest, 16), state: state}
		case err != nil:
			return got, err
		}
	}
}

func TestChunkedGoesOnAnywhere(t *testing.T) {
	wire := []byte("4\r\n$H..\r\nb;ext=1\r\n$D123456789\r\n00012 \r\nabcdefghijklmnopqr\r\n0\r\n\r\n")
	const want = "$H..$D123456789abcdefghijklmnopqr"
	for n := 1; n <= len(wire); n++ {
		for _, most := range []int{1, 7, 100} {
			if got, err := readMoving(wire, n, most); string(got) != want || !errors.Is(err, io.EOF) {
				t.Fatalf("by %d into %d: %q, %v", n, most, got, err)
			}
		}
	}
}

func TestChunkedRefuses(t *testing.T) {
	for name, wire := range map[string]string{
		"no size":      "\r\nabc\r\n",
		"no hex":       "xyz\r\n",
		"bare lf":      "3\nabc\r\n0\r\n\r\n",
		"no line end":  "3\r\nabcd\r\n",
		"huge":         "11111111111111111\r\n",
		"endless line": strings.Repeat("1;", maxChunkLine),
		"one by one":   strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 100),
		"ends in size": "3\r\nabc\r\n5",
		"ends in data": "3\r\nab",
	} {
		r := &chunkReader{in: bufio.NewReader(strings.NewReader(wire))}
		_, err := io.ReadAll(r)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, again := r.Read(make([]byte, 1)); again == nil {
			t.Errorf("%s: read on after %v", name, err)
		}
	}
}

// FuzzChunked compares with the standard library's decoder.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("4\r\n$H..\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("1;a=b\r\nx\r\n00\r\nTrailer: y\r\n\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, wire []byte, n uint8) {
		wire = wire[:min(len(wire), 300)] // each deadline nests a reader
		want, wantErr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(wire)))
		got, err := readMoving(wire, int(n)+1, 64)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%q: %q %v, the library %q %v", wire, got, err, want, wantErr)
		}
		one, oneErr := io.ReadAll(&chunkReader{in: bufio.NewReader(iotest.OneByteReader(bytes.NewReader(wire)))})
		if (oneErr == nil) != (err == nil) || !bytes.Equal(one, got) {
			t.Errorf("%q: whole %q %v, in pieces %q %v", wire, one, oneErr, got, err)
		}
	})
}
