package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// whole is a recording with an entry of each kind.
func whole() []byte {
	var p pen
	p.header(Header{Major: 1, Minor: 2, Plugin: "parrot", Begin: time.Unix(0, 3), Host: "weir"})
	for _, e := range all {
		p.entry(&e)
	}
	return p.b
}

var all = []Entry{
	{Kind: Started, Instance: 1, At: 4, Build: Build{Generation: 5, Version: "1", Hash: "ab", Carrier: "wasm"}},
	{Kind: Call, Instance: 1, At: 6, Limit: 7, Took: 8, In: []byte("in"), Out: []byte("out")},
	{Kind: Faulted, Instance: 1, At: 9, Limit: 10, Took: 11, In: []byte("in"),
		Sin: Sin{Kind: "trap", Lost: true, During: "DATA", Cause: "c", Stack: "s", Log: "l"}},
	{Kind: Closed, Instance: 1, At: 12},
	{Kind: End, Reason: "time", Missed: 13},
}

// TestFormatStays: recordings outlive the weir that made them.
func TestFormatStays(t *testing.T) {
	want, err := os.ReadFile("testdata/version1.hex")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(whole()); got != strings.TrimSpace(string(want)) {
		t.Errorf("the format has changed: %s", got)
	}
}

func TestReaderGivesWhatWasWritten(t *testing.T) {
	list, r := entries(t, whole())
	if !reflect.DeepEqual(list, all) || r.Torn() {
		t.Errorf("%+v", list)
	}
	if h := r.Header(); h.Major != 1 || h.Minor != 2 || h.Plugin != "parrot" || h.Begin.UnixNano() != 3 || h.Host != "weir" {
		t.Errorf("%+v", h)
	}
}

// TestTornEnd: wherever a file is cut, the entries before the cut are there.
func TestTornEnd(t *testing.T) {
	file := whole()
	ends := map[int]int{} // bytes → whole entries
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	first := int(r.at)
	ends[first] = 0
	for n := 1; ; n++ {
		if _, err := r.Next(); err != nil {
			break
		}
		ends[int(r.at)] = n
	}
	whole := 0
	for cut := range len(file) {
		if n, ok := ends[cut]; ok {
			whole = n
		}
		r, err := NewReader(bytes.NewReader(file[:cut]))
		if cut < first {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		n := 0
		for ; err == nil; n++ {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) || n-1 != whole || !r.Torn() {
			t.Fatalf("cut at %d: %d entries, torn %v, %v; want %d", cut, n-1, r.Torn(), err, whole)
		}
	}
}

func TestDamage(t *testing.T) {
	file := whole()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	at := int(r.at) + entryHead + 3
	file[at] ^= 1
	r, err = NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err = r.Next(); err == nil || !strings.Contains(err.Error(), "its checksum does not fit") {
			t.Errorf("%v", err)
		}
	}
	for _, c := range []struct{ file, says string }{
		{"", "not a recording"},
		{"weirwhat................", "not a recording"},
		{"weirrec\x02............", "its version is 2, this weir reads 1"},
		{"weirrec\x01\x00\x00\x00\x00\x00\x00\x00\x00", "header"},
		{"weirrec\x01\xff\xff\xff\xff\x00\x00\x00\x00", "its header is damaged: a length of"},
		{"weirrec\x01\x01\x00\x00\x00\x00\x00\x00\x00x", "its header is damaged: its checksum does not fit"},
		{"weirrec\x01\x09\x00\x00\x00\x00\x00\x00\x00x", "its header is cut off"},
	} {
		if _, err := NewReader(strings.NewReader(c.file)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.file, err)
		}
	}
}

// TestLaterVersions: what a later weir adds is skipped, what an earlier one lacks is zero.
func TestLaterVersions(t *testing.T) {
	var p pen
	p.header(Header{Major: 1, Begin: time.Unix(1, 0)})
	at := p.begin(200)
	p.text("of tomorrow")
	p.finish(at)
	at = p.begin(Closed)
	p.u32(1)
	p.duration(2)
	p.text("of tomorrow")
	p.finish(at)
	at = p.begin(End)
	p.finish(at)
	list, r := entries(t, p.b)
	if want := []Entry{{Kind: Closed, Instance: 1, At: 2}, {Kind: End}}; !reflect.DeepEqual(list, want) || r.Torn() {
		t.Errorf("%+v", list)
	}
}

// FuzzReader: no bytes make the reader panic, loop or take memory that the file does not pay for, and what it reads can be written again.
func FuzzReader(f *testing.F) {
	f.Add(whole())
	f.Add(whole()[:60])
	f.Add([]byte("weirrec\x01\xff\xff\xff\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		var p pen
		p.header(r.Header())
		var list []Entry
		for {
			e, end := r.Next()
			if end != nil {
				break
			}
			p.entry(&e)
			list = append(list, e)
		}
		again, err := NewReader(bytes.NewReader(p.b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if e, err := again.Next(); err != nil || !reflect.DeepEqual(e, list[i]) {
				t.Fatalf("entry %d: %+v, %v; want %+v", i, e, err, list[i])
			}
		}
	})
}

// FuzzParse is FuzzReader behind the checksum, which mutations seldom get past.
func FuzzParse(f *testing.F) {
	for _, e := range all {
		var p pen
		p.entry(&e)
		f.Add(p.b[entryHead:])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		e, known, ok := parse(content)
		if !known || !ok {
			return
		}
		var p pen
		p.entry(&e)
		again, known, ok := parse(p.b[entryHead:])
		if !known || !ok || !reflect.DeepEqual(again, e) {
			t.Fatalf("%+v is read again as %+v", e, again)
		}
	})
}

// FuzzReplay: no frames, recorded or answered, make a replay panic, and the same answer is never a difference.
func FuzzReplay(f *testing.F) {
	f.Add(opening(f), []byte{}, verdicts(f, 7), "trap")
	f.Add(frame(f, data("one"), data("two")), verdicts(f, 7), spanning(f, abi.Piece{Kind: abi.PieceInput, Length: 2}), "bad_span")
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0}, []byte{}, []byte{1}, "start")
	f.Fuzz(func(t *testing.T, in, was, is []byte, kind string) {
		var p pen
		p.header(Header{Major: abi.Major, Begin: time.Unix(1, 0)})
		for _, e := range []Entry{{Kind: Started, Instance: 1}, {Kind: Call, Instance: 1, In: in, Out: was},
			{Kind: Faulted, Instance: 1, In: in, Sin: Sin{Kind: kind}}} {
			p.entry(&e)
		}
		r, err := NewReader(bytes.NewReader(p.b))
		if err != nil {
			t.Fatal(err)
		}
		found, err := Replay(t.Context(), r, &says{out: is})
		if err != nil || found.Same+found.Different+found.Mended+found.Unjudged != 2 {
			t.Fatalf("%+v, %v", found, err)
		}
		if bytes.Equal(was, is) && !opens(in) && len(found.Told) > 1 {
			t.Fatalf("%+v", found.Told)
		}
		for _, d := range found.Told {
			_ = d.String()
		}
	})
}
