package rtp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// head is a packet with one contributing source, an extension of one word, and a
// padding of 3 bytes around "media".
const whole = "\xB1\xA1\x12\x34\x00\x00\x00\x64\xCA\xFE\xBA\xBE" + "\x00\x00\x00\x01" + "\xBE\xDE\x00\x01\x01\x02\x03\x04" + "media" + "\x00\x00\x03"

func TestParse(t *testing.T) {
	want := Packet{Type: TypeMP2T, Marker: true, Sequence: 0x1234, Timestamp: 100, SSRC: 0xCAFEBABE, From: 24, To: 29}
	got, err := Parse([]byte(whole))
	if err != nil || got != want || whole[got.From:got.To] != "media" {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	for _, c := range []struct {
		name, packet string
		want         error
	}{
		{"empty", "", ErrTruncated},
		{"a transport stream", "G" + strings.Repeat("\x00", 187), ErrVersion},
		{"eleven bytes", whole[:11], ErrTruncated},
		{"sources that are not there", "\x8F" + whole[1:20], ErrTruncated},
		{"half an extension's head", "\x90" + whole[1:14], ErrTruncated},
		{"an extension that is not there", "\x90" + whole[1:12] + "\xBE\xDE\x00\x02\x01\x02\x03\x04", ErrTruncated},
		{"padding of nothing", "\xA0" + whole[1:12] + "media\x00", ErrTruncated},
		{"padding longer than the payload", "\xA0" + whole[1:12] + "media\x07", ErrTruncated},
	} {
		if p, err := Parse([]byte(c.packet)); !errors.Is(err, c.want) || p != (Packet{}) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
	if p, err := Parse([]byte("\xA0" + whole[1:12] + "media\x06")); err != nil || p.From != p.To {
		t.Errorf("padding alone: %+v, %v", p, err)
	}
}

// through pushes packets of the given sequence numbers, one a millisecond, and gives the
// numbers in the order in which they come out.
func through(w *Window, ssrc uint32, numbers ...uint16) (out []uint16) {
	for i, n := range numbers {
		w.Push(&Packet{Sequence: n, SSRC: ssrc}, Span{Offset: uint64(n), Size: 1}, int64(i)*1e6)
		out = append(out, drain(w)...)
	}
	return out
}

func drain(w *Window) (out []uint16) {
	for s, ok := w.Pop(); ok; s, ok = w.Pop() {
		out = append(out, uint16(s.Offset))
	}
	return out
}

func TestWindow(t *testing.T) {
	sixteen := []uint16{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	for _, c := range []struct {
		name            string
		in, out         []uint16
		lost, late, odd uint64
	}{
		{"in order, over the end", []uint16{65534, 65535, 0, 1}, []uint16{65534, 65535, 0, 1}, 0, 0, 0},
		{"two swapped", []uint16{1, 3, 2, 4}, []uint16{1, 2, 3, 4}, 0, 0, 0},
		{"three around the end", []uint16{65535, 2, 1, 0}, []uint16{65535, 0, 1, 2}, 0, 0, 0},
		{"twice", []uint16{1, 2, 2, 4, 4, 3}, []uint16{1, 2, 3, 4}, 0, 2, 0},
		{"one missing", append([]uint16{3}, sixteen...), append([]uint16{3}, sixteen...), 1, 0, 0},
		{"one too late", append(append([]uint16{3}, sixteen...), 4), append([]uint16{3}, sixteen...), 1, 1, 0},
		{"a stray one", []uint16{1, 30000, 2, 3}, []uint16{1, 2, 3}, 0, 0, 1},
		{"a new beginning", []uint16{1, 30000, 30001, 30002}, []uint16{1, 30001, 30002}, 0, 0, 1},
		{"a new beginning behind", []uint16{500, 100, 101}, []uint16{500, 101}, 0, 0, 1},
	} {
		var w Window
		out := through(&w, 7, c.in...)
		if fmt.Sprint(out) != fmt.Sprint(c.out) || w.Lost != c.lost || w.Late != c.late || w.Odd != c.odd {
			t.Errorf("%s: %v, lost %d, late %d, odd %d", c.name, out, w.Lost, w.Late, w.Odd)
		}
	}
}

func TestWindowWaits(t *testing.T) {
	var w Window
	through(&w, 7, 1, 3, 4)
	if at, ok := w.Oldest(); !ok || at != 3 {
		t.Errorf("oldest %d, %v", at, ok)
	}
	w.Push(&Packet{Sequence: 5, SSRC: 7}, Span{Offset: 5}, 1e6+MaxWait)
	if out := drain(&w); fmt.Sprint(out) != "[3 4 5]" || w.Lost != 1 {
		t.Errorf("after MaxWait: %v, lost %d", out, w.Lost)
	}
	through(&w, 7, 9)
	w.Flush()
	if out := drain(&w); fmt.Sprint(out) != "[9]" || w.Lost != 4 {
		t.Errorf("after Flush: %v, lost %d", out, w.Lost)
	}
	if _, ok := w.Oldest(); ok {
		t.Error("something waits")
	}
}

// Of two senders to one group the first is heard, until it has gone.
func TestOtherSource(t *testing.T) {
	var w Window
	for i := range uint16(5) {
		if out := append(through(&w, 1, 10+i), through(&w, 2, 900+i)...); fmt.Sprint(out) != fmt.Sprint([]uint16{10 + i}) {
			t.Fatalf("%v", out)
		}
	}
	if out := through(&w, 2, 905, 906, 907); fmt.Sprint(out) != "[905 906 907]" && fmt.Sprint(out) != "[906 907]" {
		t.Errorf("%v", out)
	}
}

// Whatever the order within Depth, all come out in sequence.
func TestShuffled(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var in []uint16
		for block := range 10 {
			for _, i := range r.Perm(Depth / 2) {
				in = append(in, uint16(65500+block*Depth/2+i))
			}
		}
		in = append([]uint16{65499}, in...)
		var w, v Window
		var out []uint16
		for i, n := range in {
			w.Push(&Packet{Sequence: n}, Span{Offset: uint64(n)}, int64(i))
			out = append(out, drain(&w)...)
			b, _ := w.AppendBinary(nil)
			if err := v.UnmarshalBinary(b); err != nil || v.next != w.next || v.count != w.count {
				t.Fatal(err)
			}
			w = v // goes on from its state
		}
		for i, n := range out {
			if n != uint16(65499+i) {
				t.Fatalf("%v", out)
			}
		}
		if len(out) != len(in) || w.Lost != 0 || w.Late != 0 {
			t.Fatalf("%d of %d, lost %d, late %d", len(out), len(in), w.Lost, w.Late)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	b, w, n, state := []byte(whole), Window{}, uint16(0), make([]byte, 0, MaxStateSize)
	if got := testing.AllocsPerRun(1000, func() {
		p, _ := Parse(b)
		p.Sequence, n = n^1, n+1
		w.Push(&p, Span{Size: 5}, int64(n))
		for _, ok := w.Pop(); ok; _, ok = w.Pop() {
		}
		state, _ = w.AppendBinary(state[:0])
		_ = w.UnmarshalBinary(state)
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(whole[:12]))
	f.Add([]byte("\xBF\x21" + whole[2:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err == nil && (p.From < headSize || p.From > p.To || p.To > len(b)) || err != nil && p != (Packet{}) {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte{0, 1, 0, 3, 0, 2, 0, 3, 9, 9}, []byte(nil))
	var w Window
	through(&w, 7, 1, 3, 5)
	state, _ := w.AppendBinary(nil)
	f.Add([]byte{0, 2, 0, 4}, state)
	f.Fuzz(func(t *testing.T, numbers, state []byte) {
		var w, v Window
		if len(state) > 0 && w.UnmarshalBinary(state) != nil {
			return
		}
		drain(&w)
		for now := int64(0); len(numbers) >= 2; numbers = numbers[2:] {
			now += 1e6
			was := w
			w.Push(&Packet{Sequence: uint16(numbers[0]&0x1F)<<8 | uint16(numbers[1]), SSRC: uint32(numbers[0] >> 7)}, Span{Size: 1}, now)
			popped := len(drain(&w))
			if w.count+popped > was.count+1 || w.count == Depth || w.open {
				t.Fatalf("%+v from %+v, %d popped", w, was, popped)
			}
			b, _ := w.AppendBinary(nil)
			again := []byte(nil)
			if err := v.UnmarshalBinary(b); err == nil {
				again, _ = v.AppendBinary(nil)
			}
			if len(b) > MaxStateSize || !bytes.Equal(again, b) {
				t.Fatalf("%x does not come back: %x", b, again)
			}
		}
	})
}
