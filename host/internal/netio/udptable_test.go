package netio

import (
	"bytes"
	"testing"
	"time"
)

func tableFlow(n int, by *udpSocket) *Flow {
	f := &Flow{id: flowID{payload: uint64(n)}}
	f.from.Store(by)
	return f
}

// TestFlowTableEvicts: flows of one datagram make room for each other; proven ones only once they are silent.
func TestFlowTableEvicts(t *testing.T) {
	var counts udpCounters
	var by udpSocket
	table := newFlowTable(4, &counts)
	add := func(n int, now time.Duration) (evicted *Flow, drop UDPDrop) {
		_, evicted, drop = table.add(tableFlow(n, &by), int64(now))
		return evicted, drop
	}
	see := func(n int, now time.Duration) {
		for range provenDatagrams {
			batch := []arrival{{id: flowID{payload: uint64(n)}}}
			if table.lookup(batch, &by, int64(now)); batch[0].flow == nil {
				t.Fatalf("flow %d is gone", n)
			}
		}
	}
	for n := range 4 {
		add(n, 0)
	}
	see(0, 1)
	for n := 4; n < 100; n++ {
		if out, _ := add(n, 2); out == nil || out.id.payload == 0 {
			t.Fatalf("flow %d evicted %v", n, out)
		}
	}
	see(0, 3)
	for n := 97; n < 100; n++ {
		see(n, 4)
	}
	if out, drop := add(200, 5); out != nil || drop != DropFull {
		t.Errorf("evicted %v, drop %s, though all are busy", out, drop)
	}
	if out, _ := add(200, 3+evictAfter); out == nil || out.id.payload != 0 {
		t.Errorf("evicted %v, not the one longest idle", out)
	}
	if n, _ := table.size(); n != 4 || by.flows.Load() != 4 {
		t.Errorf("%d flows, %d of the socket", n, by.flows.Load())
	}
	var other udpSocket
	batch := []arrival{{id: flowID{payload: 99}}}
	if table.lookup(batch, &other, 9); by.flows.Load() != 3 || other.flows.Load() != 1 || counts.moved.Load() != 1 {
		t.Error("a flow did not move to the other socket")
	}
	if gone := table.idle(4); len(gone) != 2 {
		t.Errorf("%d flows idle", len(gone))
	}
	if n, _ := table.size(); n != 2 || by.flows.Load()+other.flows.Load() != 2 {
		t.Errorf("%d flows are left", n)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	r := refusals{at: make(map[flowID]int64)}
	for n := range 3 * maxRefused {
		r.add(flowID{payload: uint64(n)}, int64(n))
		r.add(flowID{payload: uint64(n)}, int64(n))
	}
	if len(r.at) != maxRefused || len(r.ring) != maxRefused {
		t.Errorf("%d remembered, %d in the ring", len(r.at), len(r.ring))
	}
	last := 3*maxRefused - 1
	if !r.holds(&flowID{payload: uint64(last)}, int64(last)) || r.holds(&flowID{payload: 1}, int64(last)) {
		t.Error("the newest is forgotten, or the oldest is not")
	}
	if r.holds(&flowID{payload: uint64(last)}, int64(last)+int64(refusedFor)) {
		t.Error("a refusal does not end")
	}
}

func TestUDPRoutes(t *testing.T) {
	routes, err := newUDPRoutes([]Pattern{
		{Plugin: "rtp", Bytes: []byte{0x80}, Mask: []byte{0xC0}}, {Plugin: "odd", Offset: 1, Bytes: []byte{1}}, {Plugin: "any"}, {Plugin: "never"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for datagram, want := range map[string]string{"\x80": "rtp", "\x80\x01": "odd", "\x00": "any", "": "any"} {
		if got, ok := routes.route([]byte(datagram)); !ok || got != want {
			t.Errorf("%q: %q", datagram, got)
		}
	}
	if _, ok := routes[:2].route(nil); ok {
		t.Error("an empty datagram matched bytes")
	}
}

// FuzzUDPRoutes: what is chosen does match, and nothing that matches more bits was passed over.
func FuzzUDPRoutes(f *testing.F) {
	f.Add([]byte("\x80\x21"), []byte{0x80}, []byte{0xC0}, 0, []byte{0x21}, 1)
	f.Add([]byte(""), []byte{}, []byte{}, 0, []byte{0x47}, 188)
	f.Add([]byte("\x47"), []byte{0x47}, []byte{}, 0, []byte{0x47}, 0)
	f.Fuzz(func(t *testing.T, datagram, a, mask []byte, at int, b []byte, bt int) {
		routes, err := newUDPRoutes([]Pattern{{Plugin: "a", Offset: at, Bytes: a, Mask: mask}, {Plugin: "b", Offset: bt, Bytes: b}})
		if err != nil {
			return
		}
		before := bytes.Clone(datagram)
		got, ok := routes.route(datagram)
		best := -1
		for i := range routes {
			m := routes[i].compare(datagram)
			if m.full {
				best = max(best, m.bits)
			}
			if m.full && routes[i].Plugin == got && m.bits != routes[i].significantBits() {
				t.Errorf("%q matched with %d bits", got, m.bits)
			}
		}
		if ok != (best >= 0) || !bytes.Equal(before, datagram) {
			t.Errorf("routed %v to %q, best %d", ok, got, best)
		}
		for i := range routes {
			if m := routes[i].compare(datagram); ok && routes[i].Plugin == got && m.bits != best {
				t.Errorf("%q with %d bits, best %d", got, m.bits, best)
			}
		}
	})
}

// FuzzRun: however a batch is cut, each flow gets its datagrams whole and in order.
func FuzzRun(f *testing.F) {
	f.Add([]byte("abcabc"), uint8(2), uint8(3))
	f.Add([]byte(""), uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, segment, pieces uint8) {
		flows := []*Flow{{}, {}, nil}
		var want, got [2][]byte
		for i := range 2 {
			flows[i].sink.to = sinkFunc(func(sizes []int, b []byte) {
				for _, n := range sizes {
					got[i] = append(append(got[i], b[:n]...), '|')
					b = b[n:]
				}
				if len(b) != 0 {
					t.Errorf("%d bytes too many", len(b))
				}
			})
		}
		batch := make([]arrival, pieces%batchDatagrams)
		for i := range batch {
			a := arrival{b: b[min(i, len(b)):], segment: int(segment) * (i % 2), flow: flows[i%3]}
			batch[i] = a
			if a.flow == nil {
				continue
			}
			for rest := a.b; ; {
				n := len(rest)
				if a.segment > 0 {
					n = min(n, a.segment)
				}
				want[i%3] = append(append(want[i%3], rest[:n]...), '|')
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
		}
		var r run
		r.init()
		r.deliver(batch)
		for i := range 2 {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("flow %d got %q, not %q", i, got[i], want[i])
			}
		}
	})
}

type sinkFunc func(sizes []int, b []byte)

func (f sinkFunc) Datagrams(sizes []int, b []byte) { f(sizes, b) }
func (f sinkFunc) Ended(FlowEnd)                   {}
