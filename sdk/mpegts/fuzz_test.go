package mpegts

import (
	"bytes"
	"testing"
)

func FuzzDemux(f *testing.F) {
	for _, name := range samples {
		b := read(f, name)
		f.Add(b[:188*12], int64(5))
		f.Add(append(b[:188*3:188*3], b[188*40:188*48]...), int64(-1))
	}
	f.Fuzz(func(t *testing.T, b []byte, delta int64) {
		var d, e Demux
		var out Patches
		for len(b) > 0 {
			p := b[:min(len(b), PacketSize)]
			plain, before := d, d
			isPlain := plain.Plain(p)
			r := d.Feed(p)
			if isPlain && (plain != d || r != Result{PID: r.PID, Kind: r.Kind}) || !isPlain && plain != before {
				t.Fatalf("plain: %v, %+v", isPlain, r)
			}
			if s := e.Feed(p); r != s {
				t.Fatalf("%+v, %+v", r, s)
			}
			if r.Key && !r.Cut || r.Cut && !r.PESStart {
				t.Fatalf("%+v", r)
			}
			Rebase(p, delta, &out)
			if isPlain && len(out.List()) > 0 {
				t.Fatalf("plain: %+v", out)
			}
			at := 4
			for _, q := range out.List() {
				if q.At < at || q.At+len(q.Bytes()) > len(p) {
					t.Fatalf("%+v", out)
				}
				at = q.At + len(q.Bytes())
			}
			state, _ := d.AppendBinary(nil)
			if len(state) > MaxStateSize {
				t.Fatal(len(state))
			}
			if err := e.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
			b = b[len(p):]
		}
	})
}

func FuzzState(f *testing.F) {
	ts := read(f, "h264.ts")
	var d Demux
	each(ts[:188*20], func(p []byte) { d.Feed(p) })
	state, _ := d.AppendBinary(nil)
	f.Add(state, ts[188*3:188*8])
	f.Fuzz(func(t *testing.T, state, b []byte) {
		var d Demux
		if d.UnmarshalBinary(state) != nil {
			return
		}
		again, _ := d.AppendBinary(nil)
		if len(state) > 0 && !bytes.Equal(again, state) {
			t.Fatal("state differs")
		}
		for len(b) >= PacketSize {
			d.Feed(b)
			b = b[PacketSize:]
		}
		Sync(b)
		d.PSI()
		d.Main()
	})
}
