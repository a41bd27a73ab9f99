package session

import (
	"net/netip"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/netio"
)

// sharing is what a flow has whose peer can become a viewer.
type sharing interface {
	Share() (s netio.SharedUDP, from netip.Addr, ok bool)
	Keep(on bool)
}

// isShareable tells whether others can send to the flow's peer as weir does.
func (f *flowing) isShareable() bool {
	x, ok := f.flow.(sharing)
	if ok {
		_, _, ok = x.Share()
	}
	return ok
}

// keep has the flow stay while its peer is a viewer, however long that is silent.
func (f *flowing) keep(on bool) {
	if x, ok := f.flow.(sharing); ok {
		x.Keep(on)
	}
}

// viewerConn gives the connection that ATTACH names: the client's, or a flow to it; nil if
// the session has none, as those of documents and of sources have not.
func (s *Session) viewerConn(number uint32) *conn {
	if number <= 1 && len(s.conns) > 0 {
		return s.conns[0]
	}
	return s.conn(number)
}

// isViewer tells whether the connection is the viewer's.
func (s *Session) isViewer(c *conn) bool { return s.view != nil && s.seat.number == c.number }

// leftFlow notes that a viewer has left, and tells whether it was a flow that its plugin has
// closed beside a stream. Worker.
func (s *Session) leftFlow() bool {
	c := s.conn(s.seat.number)
	if c == nil || c.flow == nil {
		return false
	}
	c.flow.keep(false)
	return c.number > 1 && c.closed
}

// enter adds a connection. Who reads for the viewer looks at the first. Worker.
func (s *Session) enter(c *conn) {
	s.seat.mu.Lock()
	s.conns = append(s.conns, c)
	s.seat.mu.Unlock()
}

// attachFlow puts the peer of a flow into the delivery pool. What the peer sends still
// comes to the plugin.
func (b *batch) attachFlow(c *conn, prefix [][]byte) {
	a, s := &b.rec.attach, b.s
	v := s.sit(c, b.joined)
	s.view = v
	s.on = b.joined.Point().Name()
	cursor := b.cursor()
	spec := deliver.AttachUDP{Attach: attachment(a, b.joined, cursor), To: c.flow.Remote(), Segment: b.joined.Datagram()}
	spec.Sink, spec.Buffers.Pending, spec.By = v, int(s.limits().Writes), s.r.name
	if first := join(prefix); len(first) > 0 {
		spec.First = append(spec.First, first)
	}
	if h := cursor.Header(); h != nil && a.WithHeader != 0 && len(h.Bytes) > 0 {
		spec.First = append(spec.First, h.Bytes)
	}
	spec.Lasting = c.number > 1 // the stream beside it tells whether its peer has gone
	shared, from, _ := c.flow.flow.(sharing).Share()
	spec.Socket = deliver.UDPSocket{TTL: -1, Shared: shared, From: from}
	c.flow.keep(true)
	c.flow.view.Store(v)
	s.enqueue(attached(c.number, cursor))
	s.plays(b.joined, s.client(c))
	viewer, err := s.r.room.options.Pool.AttachUDP(spec)
	if err != nil {
		s.r.log.Info("viewer not attached", "session", s.id, "peer", s.name(), "error", err)
		b.joined.Leave()
		v.stopped(b.joined, deliver.Stats{}, "peer_closed")
		c.flow.view.Store(nil)
		s.view = nil
		s.w.end(s, "peer_closed")
		return
	}
	v.seat.mu.Lock()
	v.seat.viewer = viewer
	v.seat.mu.Unlock()
	if c.in.hasEnded() { // since the view was not there yet
		v.close(abi.CloseNow)
	}
	s.r.room.event("attach", s.r.name, s, b.joined.Name())
}

// reattachFlow sends what precedes the packets of another log, a datagram each.
func reattachFlow(h *deliver.Viewer, prefix [][]byte, header []byte) {
	for _, b := range [][]byte{join(prefix), header} {
		if len(b) > 0 {
			_ = h.Write(b) // an overflow detaches the viewer, which the session then hears
		}
	}
}
