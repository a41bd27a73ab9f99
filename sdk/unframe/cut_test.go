package unframe

import (
	"bytes"
	"os"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../asf/testdata/wmv2.asfstream")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bare gives the stream as MS-WMHTTP frames it.
func bare(t testing.TB, b []byte) (out []byte) {
	t.Helper()
	for len(b) > 0 {
		c, _, err := asf.ParseChunk(b, asf.FramedMMS)
		if err != nil {
			t.Fatal(err)
		}
		payload := b[c.Payload:c.Size]
		if c.Kind == asf.ChunkEnd {
			payload = make([]byte, 4)
		}
		out = append(append(out, '$', byte(c.Kind), byte(len(payload)), byte(len(payload)>>8)), payload...)
		b = b[c.Size:]
	}
	return out
}

// feed is a plugin that cuts each DATA and feeds the pieces.
func feed(in Input, w *Scratch, last *Result) *sdk.Plugin {
	return sdk.New(nil, func(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
		if d, ok := e.(*abi.Data); ok {
			in.Bytes, in.Offset, in.Room = d.Bytes, d.Offset, v.Room()-Reserve
			p := v.Pieces()
			if *last = w.Cut(in, p); last.Bad == "" && last.Fed {
				v.Feed(1, p)
			}
		}
		return nil
	})
}

func frame(t testing.TB, b []byte) []byte {
	t.Helper()
	var w abi.Writer
	w.Reset(make([]byte, abi.UsualBox))
	if err := w.Put(1, 0, &abi.Data{Head: abi.Head{Conn: 1}, Bytes: b}); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestBothFramings: with heads or without, the same is fed, and the end is told.
func TestBothFramings(t *testing.T) {
	framed := sample(t)
	var fed [2]int
	for i, c := range []struct {
		layout asf.Layout
		b      []byte
	}{{asf.FramedMMS, framed}, {asf.FramedPush, bare(t, framed)}} {
		var last Result
		out := make([]byte, abi.UsualBox)
		n := feed(Input{Layout: c.layout}, new(Scratch), &last).Call(frame(t, c.b[:min(len(c.b), 90_000)]), out)
		if n <= 0 || last.Bad != "" || last.PacketSize != 3200 || last.Used == 0 {
			t.Fatalf("%v: %d, %+v", c.layout, n, last)
		}
		fed[i] = last.Used / (3200 + 4)
	}
	if fed[0] == 0 || fed[0] != fed[1] {
		t.Errorf("%d and %d packets", fed[0], fed[1])
	}
}

// TestEndOfEntry: $E with reason 1 is an end only where nobody asks for entries.
func TestEndOfEntry(t *testing.T) {
	next, done := asf.EndChunk(asf.ReasonNext), asf.EndChunk(asf.ReasonDone)
	for entries, used := range map[bool]int{true: 16, false: 8} {
		var p sdk.Pieces
		got := new(Scratch).Cut(Input{Layout: asf.FramedPush, Bytes: append(next[:], done[:]...), Entries: entries, Room: 1000}, &p)
		if !got.End || got.Used != used || (got.Reason == asf.ReasonNext) == entries {
			t.Errorf("entries %v: %+v", entries, got)
		}
	}
}

// TestHeader: a header is known as soon as it is whole, in one chunk or in two.
func TestHeader(t *testing.T) {
	b := sample(t)
	first, _, err := asf.ParseChunk(b, asf.FramedMMS)
	if err != nil {
		t.Fatal(err)
	}
	payload := b[first.Payload:first.Size]
	split := append([]byte{'$', 'H', 100, 0}, payload[:100]...)
	rest := len(payload) - 100
	split = append(append(split, '$', 'H', byte(rest), byte(rest>>8)), payload[100:]...)
	for _, c := range []struct {
		b      []byte
		layout asf.Layout
		size   int
	}{{b, asf.FramedMMS, first.Size}, {split, asf.FramedPush, len(split)}} {
		var w Scratch
		if h, size, need, err := w.Header(c.b, c.layout); err != nil || need != 0 || size != c.size || h.PacketSize != 3200 {
			t.Errorf("%v: %d bytes, needs %d, %v", c.layout, size, need, err)
		}
		for n := range c.size {
			if _, _, need, err := w.Header(c.b[:n], c.layout); err != nil || need <= n || need > c.size {
				t.Fatalf("%v: of %d bytes it needs %d, %v", c.layout, n, need, err)
			}
		}
	}
	if _, _, _, err := new(Scratch).Header([]byte("no chunk"), asf.FramedMMS); err == nil {
		t.Error("no chunk has a header")
	}
}

// TestAllocates: not for a packet.
func TestAllocates(t *testing.T) {
	b := bare(t, sample(t))
	in, out, w, last := frame(t, b[:min(len(b), 90_000)]), make([]byte, abi.UsualBox), new(Scratch), new(Result)
	plugin := feed(Input{Layout: asf.FramedPush}, w, last)
	plugin.Call(in, out)
	if n := testing.AllocsPerRun(20, func() { plugin.Call(in, out) }); n > 0 {
		t.Errorf("%v allocations for a DATA of %d bytes", n, len(b))
	}
}

func FuzzCut(f *testing.F) {
	b := sample(f)
	f.Add(b[:5000], uint32(0), true)
	f.Add(bare(f, b)[:5000], uint32(0), false)
	f.Add([]byte("$D\x05\x00\x82\x00\x00\x00\x5d"), uint32(100), false)
	f.Fuzz(func(t *testing.T, b []byte, size uint32, framed bool) {
		in := Input{Layout: asf.FramedPush, Bytes: b, PacketSize: size % (asf.MaxPacketSize + 1), Entries: framed, Room: 10_000}
		if framed {
			in.Layout = asf.FramedMMS
		}
		var p, q sdk.Pieces
		got := new(Scratch).Cut(in, &p)
		switch {
		case got.Bad != "":
			return
		case got.Used > len(b) || got.Need < 0 || got.Need > 0 && got.Need <= len(b)-got.Used:
			t.Fatalf("%+v of %d bytes", got, len(b))
		}
		in.Bytes = bytes.Clone(b[:got.Used]) // what was taken needs nothing behind it
		if again := new(Scratch).Cut(in, &q); again.Used != got.Used || again.Bad != "" {
			t.Fatalf("%+v, then %+v", got, again)
		}
	})
}
