package session

import (
	"bytes"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

// inletModel is what an inlet must be to its plugin, kept the naive way.
type inletModel struct {
	t        *testing.T
	in       *inlet
	all      []byte
	marks    []int // loops that were not told of
	consumed int
	seen     int
	held     int
	keeps    bool
	retain   uint64
	need     int
	ended    bool
	told     bool
	idle     bool // the last DATA consumed nothing, and nothing came since
}

func (m *inletModel) write(n int) {
	if m.ended || m.in.full() {
		return
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((len(m.all) + i) * 31 >> 3)
	}
	m.all = append(m.all, b...)
	m.idle = m.idle && n == 0
	if !m.in.write(b) {
		m.t.Fatal("write refused")
	}
}

func (m *inletModel) limit() int {
	if len(m.marks) > 0 {
		return m.marks[0]
	}
	return len(m.all)
}

// step delivers what is next and answers it: consuming share/256 of it, keeping back
// back bytes if that is not 0, needing need bytes.
func (m *inletModel) step(share, back, need byte) delivery {
	d := m.in.next()
	if again := m.in.next(); again.kind != d.kind || again.offset != d.offset || !bytes.Equal(again.bytes, d.bytes) {
		m.t.Fatalf("next changed its mind: %v at %d, then %v at %d", d.kind, d.offset, again.kind, again.offset)
	}
	switch d.kind {
	case input:
		m.judge(d)
		m.in.delivered(d)
		m.seen, m.need = int(d.offset)+len(d.bytes), 0
		used := int(share) * len(d.bytes) / 255
		m.answer(used, back, need)
		m.idle = used == 0
	case inputEnd:
		m.judgeEnd(d)
		m.in.delivered(d)
		m.answer(0, 0, 0)
	}
	return d
}

func (m *inletModel) judge(d delivery) {
	m.t.Helper()
	to := int(d.offset) + len(d.bytes)
	ending := m.ended || len(m.marks) > 0
	switch {
	case int(d.offset) != m.consumed:
		m.t.Fatalf("DATA at %d, consumed %d", d.offset, m.consumed)
	case to > m.limit():
		m.t.Fatalf("DATA to %d, behind the end at %d", to, m.limit())
	case !bytes.Equal(d.bytes, m.all[m.consumed:to]):
		m.t.Fatalf("DATA [%d, %d) has other bytes", m.consumed, to)
	case len(d.bytes) == 0 || len(d.bytes) > maxDelivery:
		m.t.Fatalf("DATA of %d bytes", len(d.bytes))
	case to < m.limit() && len(d.bytes) < maxDelivery:
		m.t.Fatalf("DATA of %d bytes leaves %d", len(d.bytes), m.limit()-to)
	case m.idle && !ending:
		m.t.Fatalf("DATA again without anything new, at %d", d.offset)
	case len(d.bytes) < m.need && !ending:
		m.t.Fatalf("DATA of %d bytes, NEED %d", len(d.bytes), m.need)
	case d.last != (m.ended && to == len(m.all) && len(m.marks) == 0):
		m.t.Fatalf("last is %v at %d of %d", d.last, to, len(m.all))
	case m.told:
		m.t.Fatal("DATA after END")
	}
}

func (m *inletModel) judgeEnd(d delivery) {
	m.t.Helper()
	if m.told {
		m.t.Fatal("a second END")
	}
	if d.reason == abi.EndLoop {
		if len(m.marks) == 0 || int(d.offset) != m.marks[0] {
			m.t.Fatalf("END(loop) at %d, marks %v", d.offset, m.marks)
		}
		m.consumed, m.seen, m.marks, m.idle = m.marks[0], m.marks[0], m.marks[1:], false
		return
	}
	if !m.ended || len(m.marks) > 0 || int(d.offset) != len(m.all) {
		m.t.Fatalf("END at %d of %d, ended %v, marks %v", d.offset, len(m.all), m.ended, m.marks)
	}
	m.told = true
}

func (m *inletModel) answer(consume int, back, need byte) {
	m.spans()
	to := m.consumed + consume
	if !m.in.canConsume(uint64(to)) || m.in.canConsume(uint64(m.seen+1)) || m.consumed > 0 && m.in.canConsume(uint64(m.consumed-1)) {
		m.t.Fatalf("canConsume is wrong around [%d, %d]", m.consumed, m.seen)
	}
	m.in.consume(uint64(to))
	m.consumed = to
	if back > 0 {
		if at := max(m.held, m.seen-int(back)*64); m.in.canRetain(uint64(at)) {
			m.retain, m.keeps = uint64(at), true
		} else {
			m.t.Fatalf("cannot retain %d of [%d, %d]", at, m.held, m.seen)
		}
	}
	if need > 0 {
		m.need = int(need) * 128
		m.in.need = need2(m.need)
	}
	m.in.settle(m.retain, m.keeps, abi.MaxRetain)
	m.held = m.consumed
	if m.keeps {
		m.held = min(int(m.retain), m.consumed)
	}
}

func need2(n int) need { return need{bytes: n} }

// spans looks at the borders of what may be marked.
func (m *inletModel) spans() {
	m.t.Helper()
	if b, ok := m.in.span(uint64(m.held), m.seen-m.held); !ok || !bytes.Equal(b, m.all[m.held:m.seen]) {
		m.t.Fatalf("span [%d, %d): %v", m.held, m.seen, ok)
	}
	if _, ok := m.in.span(uint64(m.held), m.seen-m.held+1); ok {
		m.t.Fatalf("a span behind %d is given", m.seen)
	}
	if _, ok := m.in.span(uint64(m.held)-1, 1); ok {
		m.t.Fatalf("a span before %d is given", m.held)
	}
	if _, ok := m.in.span(1<<63, 1<<30); ok {
		m.t.Fatal("a span from nowhere is given")
	}
}

// run carries out a program of operations, one byte each with its operands.
func (m *inletModel) run(program []byte) {
	at := func(i int) byte {
		if i < len(program) {
			return program[i]
		}
		return 0
	}
	for i := 0; i < len(program); i++ {
		switch program[i] % 8 {
		case 0, 1:
			m.write(int(at(i + 1)))
			i++
		case 2:
			m.write(int(at(i+1)) << 10)
			i++
		case 3:
			if !m.ended && len(m.marks) < 100 && len(m.all) > 0 {
				m.marks = append(m.marks, len(m.all))
				m.in.mark()
			}
		case 4:
			if at(i+1)%8 == 0 && !m.ended {
				m.ended = true
				m.in.finish(abi.EndClosed)
			}
			i++
		default:
			m.step(at(i+1), at(i+2), at(i+3))
			i += 3
		}
	}
}

// drain consumes all that is left and wants END once.
func (m *inletModel) drain() {
	if !m.ended {
		m.ended = true
		m.in.finish(abi.EndReset)
	}
	for range 10_000 {
		d := m.step(255, 0, 0)
		if d.kind == stuck && m.seen >= m.consumed+maxDelivery {
			return // the host ends such a session
		}
		if d.kind == nothing {
			break
		}
	}
	if !m.told || m.consumed != len(m.all) && !m.idle {
		m.t.Fatalf("told %v, consumed %d of %d", m.told, m.consumed, len(m.all))
	}
}

// longest keeps a program within some milliseconds; chosen.
const longest = 200

func FuzzInlet(f *testing.F) {
	f.Add([]byte{0, 10, 5, 255, 0, 0, 3, 0, 20, 5, 0, 0, 0, 5, 0, 0, 0, 5, 255, 0, 0, 4, 0})
	f.Add([]byte{2, 200, 5, 0, 0, 0, 5, 10, 3, 9, 2, 200, 5, 128, 1, 0, 4, 8, 5, 1, 1, 1})
	f.Add([]byte{0, 50, 3, 0, 50, 3, 3, 0, 1, 5, 0, 1, 1, 5, 0, 1, 1, 5, 0, 1, 1, 5, 1, 1, 1})
	f.Add([]byte{2, 255, 2, 255, 2, 255, 2, 255, 2, 255, 5, 255, 255, 0, 5, 255, 0, 0, 5, 255, 255, 255})
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), longest)]
		m := &inletModel{t: t, in: newInlet(func() {})}
		m.run(program)
		m.drain()
	})
}

// FuzzInletDivert splits a program: the first part on an inlet, the rest on the one
// that its input was diverted to.
func FuzzInletDivert(f *testing.F) {
	f.Add([]byte{0, 10, 3, 0, 20, 5, 0, 0, 0}, []byte{0, 5, 3, 5, 255, 0, 0, 4, 0})
	f.Add([]byte{2, 200, 3, 2, 10, 3, 0, 9, 5, 30, 0, 0, 4, 0}, []byte{5, 255, 0, 0})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		first, second = first[:min(len(first), longest)], second[:min(len(second), longest)]
		m := &inletModel{t: t, in: newInlet(func() {})}
		m.run(first)
		child := &inletModel{t: t, in: newInlet(func() {}), all: bytes.Clone(m.all[m.consumed:]), ended: m.ended && !m.told}
		for _, mark := range m.marks {
			child.marks = append(child.marks, mark-m.consumed)
		}
		if m.told {
			return
		}
		m.in.divert(child.in)
		for i := 0; i < len(second); i++ {
			if second[i]%4 == 0 && !child.ended && !child.in.full() {
				b := bytes.Repeat([]byte{second[i]}, int(second[i]))
				child.all = append(child.all, b...)
				child.idle = child.idle && len(b) == 0
				if !m.in.write(b) {
					t.Fatal("write refused")
				}
			} else if second[i]%4 == 1 {
				child.step(second[i], 0, 0)
			}
		}
		if !child.ended {
			child.ended = true
			m.in.finish(abi.EndReset)
		}
		child.drain()
		if d := m.in.next(); d.kind != inputEnd || d.reason == abi.EndLoop {
			t.Fatalf("the diverted inlet gives %v, not END", d.kind)
		}
	})
}

func TestInletStuck(t *testing.T) {
	in := newInlet(func() {})
	in.write(make([]byte, maxDelivery))
	d := in.next()
	if d.kind != input || len(d.bytes) != maxDelivery {
		t.Fatalf("%v of %d bytes", d.kind, len(d.bytes))
	}
	in.delivered(d)
	if d := in.next(); d.kind != nothing {
		t.Fatalf("%v without new input", d.kind)
	}
	in.write([]byte{1})
	if d := in.next(); d.kind != stuck {
		t.Fatalf("%v after a full delivery of which nothing was consumed", d.kind)
	}
}

func TestInletShutLetsItsWriterGo(t *testing.T) {
	in := newInlet(func() {})
	in.write(make([]byte, inletLimit))
	done := make(chan bool)
	go func() { done <- in.write([]byte{1}) }()
	in.shut()
	if <-done {
		t.Fatal("a write into a shut inlet went well")
	}
	if in.full() || in.next().kind != nothing || in.total() != inletLimit {
		t.Fatalf("full %v, next %v, total %d", in.full(), in.next().kind, in.total())
	}
}

// TestInletRetainIsBounded: what is kept back does not grow with the input.
func TestInletRetainIsBounded(t *testing.T) {
	in := newInlet(func() {})
	b := make([]byte, maxDelivery)
	for range 10 * abi.MaxRetain / len(b) {
		in.write(b)
		d := in.next()
		in.delivered(d)
		in.consume(d.offset + uint64(len(d.bytes)))
		in.settle(0, true, abi.MaxRetain)
	}
	if n := cap(in.buf); n > 4*abi.MaxRetain {
		t.Fatalf("%d bytes are held", n)
	}
	if in.canRetain(in.seen - abi.MaxRetain - 1) {
		t.Fatal("more than the limit can be retained")
	}
}
