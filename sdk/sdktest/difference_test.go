package sdktest

import (
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func TestDifference(t *testing.T) {
	pieces := func(literals ...string) (p abi.Pieces) {
		for _, l := range literals {
			p.Add(abi.Piece{Bytes: []byte(l)})
		}
		return p
	}
	fields := func(name, value string) (f abi.Fields) {
		f.Add([]byte(name), []byte(value))
		return f
	}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		was, is abi.Record
		want    string
	}{
		{&abi.Close{Conn: 1}, &abi.Close{Conn: 1}, ""},
		{&abi.Close{Conn: 1}, &abi.Resume{Conn: 1}, "RESUME; it was CLOSE"},
		{&abi.Close{Conn: 1, Mode: abi.CloseFlush}, &abi.Close{Conn: 1, Mode: abi.CloseNow}, "mode is now; it was flush"},
		{&abi.Fail{Code: abi.EPROTO}, &abi.Fail{Code: abi.EINVAL}, "code is EINVAL; it was EPROTO"},
		{&abi.Watch{Point: []byte("a")}, &abi.Watch{Point: []byte("b")}, `point is "b"; it was "a"`},
		{&abi.Watch{Point: []byte(long + "a" + long)}, &abi.Watch{Point: []byte(long + "b" + long)}, "point has 601 bytes and differs at byte 300"},
		{&abi.HTTPResponse{Fields: fields("A", "1")}, &abi.HTTPResponse{Fields: fields("A", "2")}, `fields[0].value is "2"; it was "1"`},
		{&abi.Write{Pieces: pieces("a", "b")}, &abi.Write{Pieces: pieces("a", "c")}, `pieces[1].bytes is "c"; it was "b"`},
		{&abi.Write{Pieces: pieces("a")}, &abi.Write{Pieces: pieces("a", "c")}, `pieces has "c" besides`},
		{&abi.Write{Pieces: pieces("a", "c")}, &abi.Write{Pieces: pieces("a")}, `pieces lacks "c"`},
		{&abi.Timer{Head: abi.Head{UnixNano: 1}}, &abi.Timer{Head: abi.Head{UnixNano: 2}}, "head.unixnano is 2; it was 1"},
	} {
		got := Difference(c.was, c.is)
		if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s and %s: %q, want %q", Show(c.was), Show(c.is), got, c.want)
		}
	}
}
