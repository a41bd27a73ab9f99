package session

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// fakeFlow is a flow without a socket.
type fakeFlow struct {
	remote netip.AddrPort
	mu     sync.Mutex
	sent   []string
	full   bool
	sink   netio.FlowSink
	closed chan struct{}
	once   sync.Once
}

func newFlow(port uint16) *fakeFlow {
	f := &fakeFlow{closed: make(chan struct{})}
	if port != 0 {
		f.remote = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), port)
	}
	return f
}

func (f *fakeFlow) Listener() string       { return "in" }
func (f *fakeFlow) Local() netip.AddrPort  { return netip.MustParseAddrPort("192.0.2.1:5000") }
func (f *fakeFlow) Remote() netip.AddrPort { return f.remote }

// Start keeps the sink, as a flow of JoinGroup does.
func (f *fakeFlow) Start(to netio.FlowSink) { f.mu.Lock(); f.sink = to; f.mu.Unlock() }

func (f *fakeFlow) Send(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		return errors.New("no room")
	}
	f.sent = append(f.sent, string(b))
	return nil
}

// Close tells the sink of the end, as a real one does.
func (f *fakeFlow) Close() {
	f.once.Do(func() {
		close(f.closed)
		f.mu.Lock()
		to := f.sink
		f.mu.Unlock()
		if to != nil {
			to.Ended(netio.FlowClosed)
		}
	})
}

// open has a plugin serve the flow.
func (f *fakeFlow) open(r *Runner) *fakeFlow {
	f.Start(r.openFlow(f))
	return f
}

// bring lets datagrams come.
func (f *fakeFlow) bring(datagrams ...string) {
	var sizes []int
	for _, d := range datagrams {
		sizes = append(sizes, len(d))
	}
	f.mu.Lock()
	to := f.sink
	f.mu.Unlock()
	to.Datagrams(sizes, []byte(strings.Join(datagrams, "")))
}

func (f *fakeFlow) waitClosed(t *testing.T) {
	t.Helper()
	select {
	case <-f.closed:
	case <-time.After(20 * time.Second):
		t.Fatal("the flow was not closed")
	}
}

// told writes a DATAGRAMS event as text.
func told(e *abi.Datagrams) string {
	var parts []string
	at := 0
	for d := range e.Datagrams.All() {
		parts = append(parts, string(e.Bytes[at:at+int(d.Size)]))
		at += int(d.Size)
	}
	return fmt.Sprintf("datagrams at %d, lost %d: %q", e.Offset, e.Lost, parts)
}

// TestFlow: a flow opens a session; its datagrams come with absolute offsets, are kept by
// RETAIN, and are answered by SEND.
func TestFlow(t *testing.T) {
	r := newRig(t, false)
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.ConnOpen:
			seen.add(fmt.Sprintf("open %d %s %s %s", e.Transport, e.Listener, e.Local, e.Remote))
		case *abi.Datagrams:
			seen.add(told(e))
			if e.Offset == 0 {
				v.Retain(1, 1)
				return nil
			}
			p := v.Pieces()
			p.Text("kept ")
			p.Input(1, int(e.Offset)-1)
			p.Input(e.Offset, len(e.Bytes))
			v.Send(1, p)
		case *abi.End:
			seen.add(fmt.Sprintf("end %d at %d", e.Reason, e.Offset))
		}
		return nil
	})
	f := newFlow(40000).open(runner)
	seen.wait(t, "open 1 in 192.0.2.1:5000 192.0.2.9:40000")
	f.bring("one")
	seen.wait(t, `datagrams at 0, lost 0: ["one"]`)
	f.bring("", "three")
	seen.wait(t, `datagrams at 3, lost 0: ["" "three"]`)
	until(t, "nothing was sent", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return slices.Equal(f.sent, []string{"kept nethree"}) })
	if st := r.room.Sessions(); len(st) != 1 || st[0].Peer != "192.0.2.9:40000" || st[0].BytesIn != 8 || st[0].Dropped != 0 {
		t.Errorf("%+v", st)
	}
	f.full = true
	f.bring("four")
	until(t, "the drop was not counted", func() bool { st := r.room.Sessions(); return len(st) == 1 && st[0].Dropped == 1 })
	f.sink.Ended(netio.FlowIdle)
	seen.wait(t, "end 2 at 12")
	f.waitClosed(t)
	r.waitSessions(runner, 0)
}

// TestFlowRefusals: what cannot be done with a flow, or only with one.
func TestFlowRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(e *abi.Datagrams, v *sdk.Verdicts)
		want abi.Code
	}{
		{"CONSUME", func(e *abi.Datagrams, v *sdk.Verdicts) { v.Consume(1, e.Offset) }, abi.ESTATE},
		{"NEED", func(_ *abi.Datagrams, v *sdk.Verdicts) { v.Need(1, 3) }, abi.ESTATE},
		{"WRITE", func(_ *abi.Datagrams, v *sdk.Verdicts) { v.Write(1, v.Pieces()) }, abi.ECLOSED},
		{"ATTACH", func(_ *abi.Datagrams, v *sdk.Verdicts) {
			v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy")}, nil)
		}, abi.ESTATE},
		{"another connection", func(_ *abi.Datagrams, v *sdk.Verdicts) { v.Send(2, v.Pieces()) }, abi.ENOENT},
		{"too long", func(_ *abi.Datagrams, v *sdk.Verdicts) {
			p := v.Pieces()
			p.Literal(make([]byte, abi.MaxDatagram+1))
			v.Send(1, p)
		}, abi.ETOOBIG},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, false, point.Options{Name: "live"})
			seen := newRecorder()
			runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
				switch e := e.(type) {
				case *abi.Datagrams:
					c.do(e, v)
				case *abi.Refused:
					seen.add(fmt.Sprintf("refused %v", e.Code))
				}
				return nil
			})
			f := newFlow(40000).open(runner)
			f.bring("x")
			seen.wait(t, "refused "+c.want.String())
			f.Close()
			r.waitSessions(runner, 0)
		})
	}
}

// TestFlowInletIsBounded: the newest datagrams are dropped, and counted.
func TestFlowInletIsBounded(t *testing.T) {
	in := newFlowInlet(func() {})
	big := make([]byte, 60_000)
	for range inletLimit/len(big) + 3 {
		in.arrive([]int{len(big)}, big)
	}
	in.arrive([]int{1}, []byte("x")) // a small one still fits
	d := in.next()
	if d.kind != datagrams || len(d.sizes) != 1 || d.lost != 3 || len(d.bytes) != len(big) {
		t.Fatalf("kind %d, %d datagrams, %d bytes, lost %d", d.kind, len(d.sizes), len(d.bytes), d.lost)
	}
	in.delivered(d)
	in.settle(0, false, abi.MaxRetain)
	if d = in.next(); d.lost != 0 || d.offset != uint64(len(big)) {
		t.Errorf("lost %d at %d", d.lost, d.offset)
	}
	in = newFlowInlet(func() {})
	for range maxDatagrams + 5 {
		in.arrive([]int{0}, nil)
	}
	if d = in.next(); len(d.sizes) != maxPerEvent || d.lost != 5 {
		t.Errorf("%d datagrams, lost %d", len(d.sizes), d.lost)
	}
	for n := 0; d.kind == datagrams; d = in.next() {
		in.delivered(d)
		in.settle(0, false, abi.MaxRetain)
		if n += len(d.sizes); n > maxDatagrams {
			t.Fatal("there is no end")
		}
	}
}

// TestFlowThrough: payloads go to the child without a call, also when the datagrams cut
// the stream anywhere, and nothing is allocated for a datagram.
func TestFlowThrough(t *testing.T) {
	from, to := newFlowInlet(func() {}), newInlet(func() {})
	from.arrive([]int{3, 2}, []byte("abcde"))
	from.delivered(from.next()) // these are the plugin's
	from.settle(0, false, abi.MaxRetain)
	from.arrive([]int{4}, []byte("fghi"))
	from.divert(to)
	from.arrive([]int{1, 2}, []byte("jkl"))
	if d := to.next(); string(d.bytes) != "fghijkl" || from.next().kind != nothing {
		t.Fatalf("%q; the parent has %d to be told", d.bytes, from.next().kind)
	}
	payload, sizes := bytes.Repeat([]byte("0123456789abcdef"), 1316*4/16), []int{1316, 1316, 1316, 1316}
	step := func() {
		from.arrive(sizes, payload)
		d := to.next()
		to.delivered(d)
		to.consume(d.offset + uint64(len(d.bytes)))
		to.settle(0, false, abi.MaxRetain)
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations for %d datagrams", n, len(sizes))
	}
	for range inletLimit/len(payload) + 1 {
		from.arrive(sizes, payload)
	}
	if c := (&conn{in: from, flow: &flowing{}}); to.end()-to.consumed > inletLimit {
		t.Errorf("%d bytes wait", to.end()-to.consumed)
	} else if dropped, received := c.drops(); dropped == 0 || received < inletLimit {
		t.Errorf("dropped %d, received %d", dropped, received)
	}
}

// Datagrams that the plugin is told of cost no allocation on their way either.
func TestDatagramsDoNotAllocate(t *testing.T) {
	in, f := newFlowInlet(func() {}), &flowing{}
	payload, sizes := make([]byte, 1316*2), []int{1316, 1316}
	step := func() {
		in.arrive(sizes, payload)
		d := in.next()
		_ = f.record(1, d)
		in.delivered(d)
		in.settle(0, false, abi.MaxRetain)
	}
	step()
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// feeder publishes with the first datagram and lets the rest pass; a busy point is
// watched.
func feeder(_ *memo, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Datagrams:
		v.Publish([]byte("live"), "bytes:toy", 0)
		p := v.Pieces()
		p.Input(e.Offset, len(e.Bytes))
		v.Feed(1, p)
		v.FeedThrough(1)
	case *abi.Stop:
		v.Close(0, abi.CloseNow, "stopped")
	}
	return nil
}

// TestFlowReturns: a sender that falls silent leaves its point after feedSilence; who
// comes then goes on with the timeline.
func TestFlowReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live", Grace: time.Minute})
		r.add(toyYAML, toy)
		runner := r.add(sinnerYAML, feeder)
		first := newFlow(40000).open(runner)
		first.bring(string(toyPacket(0, "a")), string(toyPacket(toyStep, "b")))
		synctest.Wait()
		time.Sleep(feedSilence - time.Second)
		first.bring(string(toyPacket(2*toyStep, "c")))
		time.Sleep(feedSilence - time.Millisecond)
		synctest.Wait()
		if n := runner.Status().Sessions; n != 1 || !r.points["live"].Snapshot().HasSource {
			t.Fatalf("%d sessions before the silence is over", n)
		}
		time.Sleep(2 * time.Millisecond)
		first.waitClosed(t)
		synctest.Wait()
		second := newFlow(40001).open(runner)
		second.bring(string(toyPacket(0, "d")))
		synctest.Wait()
		to, err := r.points["live"].Rendition("toy")
		if err != nil {
			t.Fatal(err)
		}
		got := follow(to.Log).list()
		if len(got) != 4 || got[2].dts.Duration() != 2*toyStep || got[3].dts < got[2].dts || r.points["live"].Snapshot().Sources != 2 {
			t.Errorf("%v; %+v", got, r.points["live"].Snapshot())
		}
		second.Close()
		r.room.Close()
	})
}
