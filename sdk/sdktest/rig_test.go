package sdktest

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func TestRig(t *testing.T) {
	for _, renew := range []bool{false, true} {
		r := NewRig(t, newEcho)
		r.Renew = renew
		r.Stream([]byte("a\nbb\ncc"), 3)
		writes := 0
		for _, v := range r.Verdicts {
			if v.Op() == abi.OpWrite {
				writes++
			}
		}
		if writes != 2 || r.Taken != 5 || len(r.Input) != 7 || len(r.State) == 0 {
			t.Errorf("renew %v: %d lines echoed, %d bytes of %d taken, state %x", renew, writes, r.Taken, len(r.Input), r.State)
		}
		r.Data([]byte("\nchild\nfail\n"), 0)
		if !r.Through || r.Failed != 0 {
			t.Errorf("renew %v: input passes %v, %v %s", renew, r.Through, r.Failed, r.Text)
		}
		r.Through = false
		r.Data([]byte("after\n"), abi.DataLast)
		if r.Failed != abi.EPROTO || r.Text != "not my protocol" {
			t.Errorf("renew %v: %v %q", renew, r.Failed, r.Text)
		}
	}
}

// fatal is a test that may fail.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestRigRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		v    abi.Record
		want string
	}{
		"span":     {&abi.Header{Pieces: marked(3, 2)}, "span 3 to 5, held is 2 to 4"},
		"let go":   {&abi.Header{Pieces: marked(1, 2)}, "span 1 to 3, held is 2 to 4"},
		"nothing":  {&abi.Header{Pieces: marked(2, 0)}, "span 2 to 2, held is 2 to 4"},
		"backward": {&abi.Consume{Offset: 1}, "consumes up to 1, stands at 2 of 4"},
		"ahead":    {&abi.Consume{Offset: 5}, "consumes up to 5, stands at 2 of 4"},
	} {
		f := &fatal{TB: t}
		r := NewRig(f, newEcho)
		r.Input, r.Taken = []byte("abcd"), 2
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.apply(c.v)
		}()
		if <-done; f.text != c.want {
			t.Errorf("%s: %q, want %q", name, f.text, c.want)
		}
	}
}

func marked(offset uint64, length uint32) (p abi.Pieces) {
	p.Add(abi.Piece{Kind: abi.PieceInput, Offset: offset, Length: length})
	return p
}
