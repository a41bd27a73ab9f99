package framing

import (
	"bytes"
	"os"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdktest"
)

const (
	sample = "../asf/testdata/wmv2.asfstream"
	room   = 200 << 10
)

// memo is a Stream as a session's state.
type memo struct{ s Stream }

func (m *memo) AppendState(b []byte) []byte {
	return append(b, byte(m.s.Layout), byte(m.s.PacketSize), byte(m.s.PacketSize>>8))
}

func (m *memo) ReadState(b []byte) error {
	m.s = Stream{Layout: asf.Layout(b[0]), PacketSize: int(b[1]) | int(b[2])<<8}
	return nil
}

// cutting is a plugin that cuts what it gets.
func cutting(l asf.Layout, results *[]Result) func() *sdk.Plugin {
	return func() *sdk.Plugin {
		var c Cutter
		return sdk.New(nil, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
			d, ok := e.(*abi.Data)
			if !ok {
				return nil
			}
			m.s.Layout = l
			p := v.Pieces()
			r := c.Cut(&m.s, d.Bytes, d.Offset, p, room)
			*results = append(*results, r)
			if r.Fed {
				v.Feed(1, p)
			}
			if r.Used > 0 {
				v.Consume(1, d.Offset+uint64(r.Used))
			}
			return nil
		})
	}
}

// cut gives what becomes of b, and the last result.
func cut(t testing.TB, l asf.Layout, b []byte, n int) ([]byte, Result) {
	var results []Result
	r := sdktest.NewRig(t, cutting(l, &results))
	r.Stream(b, n)
	if len(results) == 0 {
		return nil, Result{}
	}
	return r.Fed, results[len(results)-1]
}

func load(t testing.TB) []byte {
	b, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plainOf takes the framing off by itself.
func plainOf(t testing.TB, b []byte) (out []byte) {
	for len(b) > 0 {
		k, _, err := asf.ParseChunk(b, asf.FramedMMS)
		if err != nil {
			t.Fatal(err)
		}
		if k.Kind == asf.ChunkHeader || k.Kind == asf.ChunkData {
			out = append(out, b[k.Payload:k.Size]...)
		}
		b = b[k.Size:]
	}
	return out
}

func TestCut(t *testing.T) {
	b := load(t)
	want := plainOf(t, b)
	for _, n := range []int{7, 1000, 3212, 50_000, len(b)} {
		got, r := cut(t, asf.FramedMMS, b, n)
		if !bytes.Equal(got, want) || !r.End || r.Bad != "" {
			t.Errorf("by %d: %d bytes, want %d; %+v", n, len(got), len(want), r)
		}
	}
}

// TestNextEntry: behind a $E that says so, another entry follows.
func TestNextEntry(t *testing.T) {
	b := load(t)
	end := asf.EndChunk(asf.ReasonNext)
	change := asf.ChangeChunk(0)
	one := b[:len(b)-12]
	all := append(append(append(bytes.Clone(one), end[:]...), change[:]...), one...)
	got, r := cut(t, asf.FramedMMS, all, 5000)
	if want := plainOf(t, one); !bytes.Equal(got, append(bytes.Clone(want), want...)) || r.End {
		t.Errorf("%d bytes, want twice %d; %+v", len(got), len(want), r)
	}
}

func TestBad(t *testing.T) {
	b := load(t)
	damaged := bytes.Clone(b[:2000])
	clear(damaged[50:100])
	for name, in := range map[string][]byte{"no header": b[12+809:], "no chunk": []byte("$Hx"), "damaged": damaged, "other": []byte("hello, world")} {
		_, r := cut(t, asf.FramedMMS, in, len(in))
		if (r.Bad == "") != (name == "no chunk") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func FuzzCut(f *testing.F) {
	b := load(f)
	f.Add(b[:9000], uint16(500), true)
	f.Add([]byte("\xA4P\x00\x00$C\x04\x00\x00\x00\x00\x00$E"), uint16(1), false)
	f.Fuzz(func(t *testing.T, b []byte, n uint16, mms bool) {
		l := asf.FramedPush
		if mms {
			l = asf.FramedMMS
		}
		_, r := cut(t, l, b, max(int(n), 1+len(b)/50))
		if r.Used > len(b) || r.Need < 0 {
			t.Fatalf("%+v", r)
		}
	})
}
