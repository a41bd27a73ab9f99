package session

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/netio"
)

const (
	// maxDatagrams is how many datagrams of a flow may wait, besides inletLimit bytes
	// (chosen: small ones of 256 bytes fill it as soon).
	maxDatagrams = 4096
	// maxPerEvent is how many of them one DATAGRAMS brings (chosen: their sizes take 8
	// KiB of the smallest inbox, beside maxDelivery and a whole state).
	maxPerEvent = 1024
	// dialSilence is how long a flow that DIAL opened may bring nothing (spec.md §6.17;
	// chosen: as an encoder that pushes, see leastSilence).
	dialSilence = 10 * time.Second
	// feedSilence is the same for a flow of a listener that feeds a point (spec.md §5.3;
	// chosen: no live stream pauses so long, and an encoder that was started again comes
	// from another port, whose flow waits for the end of this one).
	feedSilence = 3 * time.Second
)

// flow is the part of netio.Flow that a session needs.
type flow interface {
	Listener() string
	Local() netip.AddrPort
	Remote() netip.AddrPort
	Send(b []byte) error
	Start(sink netio.FlowSink)
	Close()
}

// flowing is the flow behind a connection. Its fields are the worker's but for last.
type flowing struct {
	flow
	event  abi.Datagrams        // reused
	unsent uint64               // datagrams that the socket had no room for
	last   atomic.Int64         // when a datagram came, ns since the room's beginning
	view   atomic.Pointer[view] // of its peer

	asked    atomic.Bool // SEND was
	answered atomic.Bool // a datagram came since: the peer has the address that it came from
}

// queue is what waits in an inlet of datagrams; the inlet's lock guards it. The payloads
// stand in the inlet's buffer, from its consumed offset on.
type queue struct {
	sizes    []uint32 // from first on, of those that were not delivered
	first    int
	lost     uint64 // dropped, and the plugin was not told
	dropped  uint64 // in all
	received uint64 // bytes of all that came, dropped ones too
}

// newFlowInlet makes an inlet whose input is datagrams: nobody waits for room in it, and
// what was delivered is consumed.
func newFlowInlet(notify func()) *inlet {
	i := newInlet(notify)
	i.flow = &queue{}
	return i
}

// arrive takes datagrams, one after another in b, as far as there is room. It does not
// block.
func (i *inlet) arrive(sizes []int, b []byte) {
	i.mu.Lock()
	q, to := i.flow, i.through
	if i.tail.closed || i.tail.ended {
		i.mu.Unlock()
		return
	}
	q.received += uint64(len(b))
	if to == nil {
		for _, n := range sizes {
			i.queue(b[:n])
			b = b[n:]
		}
	}
	i.mu.Unlock()
	if to == nil {
		i.notify()
		return
	}
	if n := to.offer(sizes, b); n > 0 {
		i.mu.Lock()
		q.dropped += n
		i.mu.Unlock()
	}
	to.notify()
}

// queue appends one datagram, or drops it: the newest goes first, so that what waits
// stays whole. With i.mu.
func (i *inlet) queue(b []byte) {
	q := i.flow
	if len(q.sizes)-q.first >= maxDatagrams || i.end()-i.consumed+uint64(len(b)) > inletLimit {
		q.lost++
		q.dropped++
		return
	}
	i.buf = append(i.buf, b...)
	q.sizes = append(q.sizes, uint32(len(b)))
}

// offer appends the datagrams that there is room for to a stream's inlet, and tells how
// many there was none for.
func (i *inlet) offer(sizes []int, b []byte) (dropped uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range sizes {
		switch {
		case i.tail.closed:
		case i.end()-i.consumed+uint64(n) > inletLimit:
			dropped++
		default:
			i.buf = append(i.buf, b[:n]...)
		}
		b = b[n:]
	}
	return dropped
}

// nextDatagrams is next of a flow. With i.mu.
func (i *inlet) nextDatagrams() delivery {
	q := i.flow
	n, bytes := 0, 0
	for _, size := range q.sizes[q.first:] {
		if n == maxPerEvent || bytes+int(size) > maxDelivery {
			break
		}
		n++
		bytes += int(size)
	}
	if n > 0 {
		at := int(i.consumed - i.base)
		return delivery{kind: datagrams, offset: i.consumed, bytes: i.buf[at : at+bytes : at+bytes], sizes: q.sizes[q.first : q.first+n], lost: q.lost}
	}
	if i.tail.ended {
		return delivery{kind: inputEnd, offset: i.end(), reason: i.tail.reason}
	}
	return delivery{}
}

// take notes that d was answered. With i.mu.
func (q *queue) take(d delivery) {
	q.lost -= d.lost
	if q.first += len(d.sizes); q.first >= len(q.sizes)-q.first {
		n := copy(q.sizes, q.sizes[q.first:])
		q.sizes, q.first = q.sizes[:n], 0
	}
}

// record makes the event of a delivery. Worker.
func (f *flowing) record(number uint32, d delivery) *abi.Datagrams {
	e := &f.event
	e.Head = abi.Head{Conn: number}
	e.Offset, e.Lost, e.Bytes = d.offset, d.lost, d.bytes
	e.Datagrams.Reset()
	for _, n := range d.sizes {
		e.Datagrams.Add(abi.DatagramNote{Size: n})
	}
	return e
}

// drops gives the datagrams of a flow that were dropped on their way in or out, and the
// bytes that came. Worker.
func (c *conn) drops() (dropped, received uint64) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.flow.dropped + c.flow.unsent, c.in.flow.received
}

// sink takes what a flow receives. Its methods are called by the goroutine that reads
// the socket.
type sink struct {
	in   *inlet
	of   *flowing
	room *Room
}

// Datagrams takes what came.
func (k *sink) Datagrams(sizes []int, b []byte) {
	k.of.last.Store(int64(k.room.now().Sub(k.room.started)))
	if k.of.asked.Load() && !k.of.answered.Load() {
		k.of.answered.Store(true)
	}
	k.in.arrive(sizes, b)
}

// Ended notes that nothing more comes.
func (k *sink) Ended(why netio.FlowEnd) {
	reason := abi.EndClosed
	switch why {
	case netio.FlowIdle:
		reason = abi.EndTimeout
	case netio.FlowEvicted, netio.FlowFailed, netio.FlowRefused:
		reason = abi.EndReset
	case netio.FlowClosed, netio.FlowStopped:
	}
	k.in.finish(reason)
	v := k.of.view.Load()
	if v == nil {
		return
	}
	if h := v.handle(); h != nil && why == netio.FlowRefused {
		h.Close(deliver.PeerClosed)
		return
	}
	v.close(abi.CloseNow) // the address may be given up
}

// ServeFlow opens a session for a flow whose first datagram matched a plugin's pattern.
// nil refuses it.
func (f *Front) ServeFlow(x *netio.Flow, plugin string, _ []byte) netio.FlowSink {
	r := f.room.Runner(plugin)
	if r == nil || r.refusesOf(claimed(x.Remote()), x.Remote()) != nil {
		return nil
	}
	return r.openFlow(x)
}

// claimed is the network that a flow's peer says it is in.
func claimed(peer netip.AddrPort) network {
	of := networkOf(peer.Addr())
	of.isClaimed = of.IsValid()
	return of
}

// openFlow opens a session for a flow. Any goroutine.
func (r *Runner) openFlow(x flow) *sink {
	s := r.newPeer(kindRaw, x.Remote())
	s.connected(x.Listener())
	s.link().network = claimed(x.Remote())
	c, k := s.flow(1, x)
	s.conns = []*conn{c}
	s.w.add(s)
	s.enqueue(&abi.ConnOpen{Head: abi.Head{Conn: 1}, Listener: []byte(x.Listener()), Local: []byte(x.Local().String()),
		Remote: []byte(x.Remote().String()), Transport: abi.TransportDatagrams})
	return k
}

// flow makes a connection of a flow.
func (s *Session) flow(number uint32, x flow) (*conn, *sink) {
	room := s.r.room
	c := &conn{number: number, in: newFlowInlet(s.markReady), flow: &flowing{flow: x}}
	c.flow.last.Store(int64(room.now().Sub(room.started)))
	return c, &sink{in: c.in, of: c.flow, room: room}
}

// watchSilence ends a flow's input when it has brought nothing for so long. Worker.
func (w *worker) watchSilence(s *Session, c *conn, limit time.Duration) {
	last := w.r.room.started.Add(time.Duration(c.flow.last.Load()))
	w.timers.add(last.Add(limit), func() {
		silent := w.r.room.now().Sub(w.r.room.started) - time.Duration(c.flow.last.Load())
		switch {
		case s.inbox.over.Load() || c.closed:
		case silent < limit:
			w.watchSilence(s, c, limit)
		default:
			c.in.finish(abi.EndTimeout)
		}
	})
}
