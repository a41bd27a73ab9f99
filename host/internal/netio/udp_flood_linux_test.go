package netio

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"
)

// TestUDPFlood: flows of one datagram, more than the listener holds, accepted or refused, leave memory bounded and a busy flow undisturbed.
func TestUDPFlood(t *testing.T) {
	const flood, held = 40_000, 256
	h := newTaker()
	h.refuse = func(first []byte) bool { return first[0] == 'r' }
	heard := make(chan uint64, 1)
	h.got = func(k *taken, d []byte) {
		if d[0] == 'h' {
			heard <- binary.BigEndian.Uint64(d[1:])
		}
	}
	l := listenUDP(t, h, func(o *UDPOptions) { o.Key, o.MaxFlows = FlowKey{Offset: 1, Length: 4}, held })
	healthy, many := call(t, l.Addrs()[0]), call(t, l.Addrs()[0])
	datagram, b := make([]byte, 9), make([]byte, 5)
	datagram[0] = 'h'
	var before, after runtime.MemStats
	for i := range flood {
		if i == flood/10 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		b[0] = "ra"[i%2]
		binary.BigEndian.PutUint32(b[1:], uint32(i+1))
		many.say(string(b))
		if i%50 != 0 {
			continue
		}
		binary.BigEndian.PutUint64(datagram[1:], uint64(i/50)) // the id are its first four bytes, all zero
		healthy.say(string(datagram))
		if n := receive(t, heard); n != uint64(i/50) {
			t.Fatalf("the busy flow got %d, not %d", n, i/50)
		}
	}
	h.mu.Lock()
	h.flows = nil
	h.mu.Unlock()
	for len(h.opened) > 0 {
		<-h.opened
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	s := l.Stats()
	if s.Flows != held || s.Opened < flood/2 || s.Ended[FlowEvicted] < flood/2-held-10 || s.Refusals != flood/2 {
		t.Errorf("counters %+v", s)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if _, refused := l.table.size(); refused > maxRefused {
		t.Errorf("%d refusals remembered", refused)
	}
}

// TestUDPAllocates: nothing, per datagram and per answer.
func TestUDPAllocates(t *testing.T) {
	s, err := bindUDP(loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &UDPListener{options: UDPOptions{Handler: echoes{}}.withDefaults(), begun: time.Now()}
	l.table = newFlowTable(10, &l.counts)
	if err = l.SetRoutes(anything); err != nil {
		t.Fatal(err)
	}
	l.prepare(s)
	t.Cleanup(func() { s.conn.Close() })
	a, b := call(t, s.local), call(t, s.local)
	payload := make([]byte, 1316)
	const each = 8
	turn := func() {
		for range each {
			a.Write(payload)
			b.Write(payload)
		}
		for want := l.counts.datagrams.Load() + 2*each; l.counts.datagrams.Load() < want; {
			if err = s.reader.turn(); err != nil {
				t.Fatal(err)
			}
		}
	}
	turn()
	if n := testing.AllocsPerRun(200, turn); n != 0 {
		t.Errorf("%v allocations for %d datagrams", n, 2*each)
	}
	if n := l.counts.sent.Load(); n == 0 || l.counts.sendErrors.Load() != 0 {
		t.Errorf("%d answers, %d errors", n, l.counts.sendErrors.Load())
	}
}

// echoes answers each run with its first byte.
type echoes struct{}

func (echoes) ServeFlow(f *Flow, _ string, _ []byte) FlowSink { return &echo{f} }

type echo struct{ f *Flow }

func (e *echo) Datagrams(_ []int, b []byte) { e.f.Send(b[:1]) }
func (e *echo) Ended(FlowEnd)               {}

// TestUDPKernelDrops: what the socket's buffer did not hold is counted.
func TestUDPKernelDrops(t *testing.T) {
	const sent = 3000
	h := newTaker()
	block := make(chan struct{})
	h.got = func(*taken, []byte) { <-block }
	l := listenUDP(t, h, func(o *UDPOptions) { o.ReadBuffer = 1 << 12 })
	c := call(t, l.Addrs()[0])
	for range sent {
		c.say("some")
	}
	close(block)
	eventually(t, "all are counted", func() bool {
		c.say("more") // the count comes with the next datagram
		s := l.Stats()
		return s.Dropped[DropKernel] > 0 && s.Datagrams+s.Dropped[DropKernel] >= sent
	})
}

func BenchmarkUDP(b *testing.B) {
	h := newTaker()
	done := make(chan struct{}, 1)
	count := 0
	h.got = func(*taken, []byte) {
		if count++; count%batchDatagrams == 0 {
			done <- struct{}{}
		}
	}
	l := listenUDP(b, h)
	c := call(b, l.Addrs()[0])
	payload := make([]byte, 1316)
	b.SetBytes(1316)
	b.ReportAllocs()
	for i := 0; i < b.N; i += batchDatagrams {
		for range batchDatagrams {
			c.Write(payload)
		}
		<-done
	}
}
