package session

import (
	"sync"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

// seat is a viewer's place in the delivery pool and on a point.
type seat struct {
	rendition *point.Rendition

	mu     sync.Mutex
	viewer *deliver.Viewer
	final  *deliver.Stats // once the pool has closed the connection
	held   bool           // off its log, the connection open
	number uint32         // of its connection
}

// view is a session as a viewer. It is the same memory: an object less for each.
type view Session

// sit makes a connection of the session's a viewer of a rendition. Worker.
func (s *Session) sit(c *conn, on *point.Rendition) *view {
	v := (*view)(s)
	v.seat.mu.Lock()
	v.seat.rendition, v.seat.viewer, v.seat.final, v.seat.held, v.seat.number = on, nil, nil, false, c.number
	v.seat.mu.Unlock()
	return v
}

func (v *view) session() *Session { return (*Session)(v) }

func (v *view) handle() *deliver.Viewer {
	v.seat.mu.Lock()
	defer v.seat.mu.Unlock()
	return v.seat.viewer
}

func (v *view) write(b []byte) {
	if h := v.handle(); h != nil {
		_ = h.Write(b) // an overflow detaches the viewer, which the session then hears
	}
}

// quiet sends no more packets: what is written next is the last that the viewer gets.
func (v *view) quiet() {
	if h := v.handle(); h != nil {
		h.Hold()
	}
}

func (v *view) resume() {
	if h := v.handle(); h != nil {
		v.setHeld(false)
		h.Resume()
	}
}

// close ends the viewer: with CloseFlush at the next packet boundary, once what was
// written is sent.
func (v *view) close(mode abi.CloseMode) {
	h := v.handle()
	switch {
	case h == nil:
	case mode == abi.CloseFlush:
		h.Finish(deliver.Closed)
	default:
		h.Close(deliver.Closed)
	}
}

// hold takes the viewer off its log at the next packet boundary; the connection stays
// the session's.
func (v *view) hold() {
	if h := v.handle(); h != nil {
		h.Hold()
		v.setHeld(true)
	}
}

func (v *view) setHeld(held bool) {
	v.seat.mu.Lock()
	v.seat.held = held
	v.seat.mu.Unlock()
}

func (v *view) isHeld() bool {
	v.seat.mu.Lock()
	defer v.seat.mu.Unlock()
	return v.seat.held && v.seat.final == nil
}

func (v *view) hasLeft() bool {
	v.seat.mu.Lock()
	defer v.seat.mu.Unlock()
	return v.seat.final != nil
}

func (v *view) stats() deliver.Stats {
	v.seat.mu.Lock()
	h, final := v.seat.viewer, v.seat.final
	v.seat.mu.Unlock()
	switch {
	case final != nil:
		return *final
	case h == nil:
		return deliver.Stats{}
	}
	return h.Stats()
}

// Readable takes input from a viewer's peer: of a raw connection it is the plugin's,
// an HTTP viewer has nothing to say any more.
func (v *view) Readable(b []byte) {
	v.seat.mu.Lock()
	c := v.conns[0]
	v.seat.mu.Unlock()
	if v.kind != kindRaw || c.in == nil {
		return
	}
	if c.in.full() {
		v.close(abi.CloseNow)
		return
	}
	c.in.put(b)
	v.session().markReady()
}

// Held tells the plugin that DETACH or a rule of mode event holds the viewer.
func (v *view) Held(why deliver.Reason) {
	v.setHeld(true)
	st := v.stats()
	v.session().enqueue(&abi.Detached{Head: abi.Head{Conn: v.seat.number}, Reason: []byte(why.String()), Bytes: st.Bytes, Packets: st.Packets})
}

// Detached notes that the viewer has left the pool.
func (v *view) Detached(st deliver.Stats, why deliver.Reason) {
	if why == deliver.WriteOverflow {
		v.r.reach(writesBound)
	}
	v.seat.mu.Lock()
	v.seat.final = &st
	of := v.seat.rendition
	of.Leave()
	v.seat.mu.Unlock()
	v.stopped(of, st, why.String())
	v.session().enqueue(&abi.Detached{Head: abi.Head{Conn: v.seat.number}, Reason: []byte(why.String()), Bytes: st.Bytes, Packets: st.Packets})
}

var startModes = map[abi.StartMode]stream.StartMode{
	abi.StartLive: stream.StartLive, abi.StartKey: stream.StartKey, abi.StartBurst: stream.StartBurst,
	abi.StartSeq: stream.StartSeq, abi.StartTime: stream.StartTime,
}

// commitAttach puts the connection into the delivery pool.
func (b *batch) commitAttach(raw abi.Raw) {
	a, s := &b.rec.attach, b.s
	_ = b.decode(raw, a)
	prefix, _ := b.gather(&a.Prefix)
	defer func() { b.joined = nil }() // the view's from now on, or given back
	if s.view != nil {
		b.reattach(prefix)
		return
	}
	if c := s.viewerConn(a.Conn); c.flow != nil {
		b.attachFlow(c, prefix)
		return
	}
	who := s.client(nil)
	v := s.sit(s.conns[0], b.joined)
	c, head := s.hijacked()
	if c == nil {
		b.joined.Leave()
		s.w.end(s, "peer_closed")
		return
	}
	s.view = v
	s.on = b.joined.Point().Name()
	cursor := b.cursor()
	for _, p := range prefix {
		head = append(head, p...)
	}
	if h := cursor.Header(); h != nil && a.WithHeader != 0 {
		head = append(head, h.Bytes...)
	}
	s.enqueue(attached(1, cursor))
	spec := attachment(a, b.joined, cursor)
	spec.Buffers.Pending, spec.By = int(s.limits().Writes), s.r.name
	s.plays(b.joined, who)
	if err := v.attach(c, head, spec); err != nil {
		s.r.log.Info("viewer not attached", "session", s.id, "peer", s.name(), "error", err)
		b.joined.Leave()
		v.stopped(b.joined, deliver.Stats{}, "peer_closed")
		s.view = nil
		s.w.end(s, "peer_closed")
		return
	}
	s.r.room.event("attach", s.r.name, s, b.joined.Name())
}

// reattach puts a held viewer onto another log.
func (b *batch) reattach(prefix [][]byte) {
	a, v := &b.rec.attach, b.s.view
	if !v.move(b.joined) {
		b.joined.Leave()
		return // DETACHED is on its way
	}
	cursor := b.cursor()
	var header []byte
	if h := cursor.Header(); h != nil && a.WithHeader != 0 {
		header = h.Bytes
	}
	h := v.handle()
	if b.s.conn(v.seat.number).flow != nil {
		reattachFlow(h, prefix, header)
	} else if out := append(join(prefix), header...); len(out) > 0 {
		_ = h.Write(out) // an overflow detaches the viewer, which the session then hears
	}
	h.Switch(b.joined.Log, cursor, b.joined.Datagram())
	if a.Hold == 0 {
		v.resume()
	}
	b.s.enqueue(attached(v.seat.number, cursor))
}

// attached tells where a viewer begins: of a packet that is still to come, only the
// sequence number is known.
func attached(number uint32, c stream.Cursor) *abi.Attached {
	e := &abi.Attached{Head: abi.Head{Conn: number}}
	p, st := c.Next() // of a copy
	e.Sequence = c.Seq()
	if st == stream.More {
		e.Sequence, e.Time, e.Tag = p.Seq, int64(p.PTS), p.Tag
	}
	return e
}

// move gives back the viewer's place on its rendition for one on another. It reports
// false when the viewer has left.
func (v *view) move(to *point.Rendition) bool {
	v.seat.mu.Lock()
	defer v.seat.mu.Unlock()
	if v.seat.final != nil {
		return false
	}
	v.seat.rendition.Leave()
	v.seat.rendition = to
	return true
}

// cursor gives the place where ATTACH wants the viewer to begin.
func (b *batch) cursor() stream.Cursor {
	a := &b.rec.attach
	return b.joined.Log.Cursor(stream.Start{Mode: startModes[a.Mode], Back: media.Time(a.Back).Duration(), Seq: a.Seq, Time: media.Time(a.Time)})
}

// hijacked gives the session's connection for a viewer, and what it must send first.
func (s *Session) hijacked() (*netio.Conn, []byte) {
	x, own := s.links.x, s.conns[0]
	if own.in != nil {
		own.in.adopt()
	}
	if x == nil {
		c := own.net
		own.net, own.reader = nil, nil // the pool owns the socket now
		return c, nil
	}
	isAnswered := x.isAnswered()
	if x.conn == nil && x.hijack() != nil {
		return nil, nil
	}
	x.over = true
	head, err := x.x.Head(x.head.status, x.head.header, netio.LengthToClose)
	if err != nil {
		x.conn.Close()
		return nil, nil
	}
	if isAnswered {
		head = nil
	}
	c, head := x.conn, append(head, x.head.body...)
	s.w.timers.cancel(x.timer)
	if own != plain[0] {
		own.net, own.reader = nil, nil
	}
	s.link().x = nil // a viewer outlives its request by hours
	s.unlink()
	return c, head
}

func attachment(a *abi.Attach, r *point.Rendition, c stream.Cursor) deliver.Attach {
	o := r.Point().Options()
	d := deliver.Attach{Log: r.Log, Cursor: c, MaxLag: o.MaxLag, Latency: o.Latency, BurstRate: o.BurstRate, Hold: a.Hold != 0, Buffers: deliver.Buffers{Send: sendBuffer(r.Log.Rate())},
		OnChange: rule(a.OnChange, a.ChangeBytes), OnEnd: rule(a.OnEnd, a.EndBytes)}
	if a.OnLag == abi.LagClose || o.DropLate {
		d.OnLag = deliver.LagDrop
	}
	return d
}

const (
	// sendTime is how much media the kernel may hold for a viewer. Chosen: a round trip
	// anywhere on Earth is shorter, so that the buffer bounds nobody's rate, and what is
	// gathered for one send is less; and a reader that stops holds no more than this.
	sendTime = 500 * time.Millisecond
	// The least is one full batch, the most two of what one viewer is sent in a turn. Chosen.
	leastSendBuffer, mostSendBuffer = 64 << 10, 1 << 20
)

// sendBuffer gives a viewer's SO_SNDBUF for a stream of so many bytes a second; 0 leaves
// it to the pool.
func sendBuffer(rate int) int {
	if rate == 0 {
		return 0
	}
	return min(max(int(float64(rate)*sendTime.Seconds()), leastSendBuffer), mostSendBuffer)
}

func rule(after abi.AfterRule, bytes []byte) deliver.Rule {
	r := deliver.Rule{Mode: deliver.Close, Bytes: append([]byte(nil), bytes...)}
	switch after {
	case abi.AfterContinue:
		r.Mode = deliver.Continue
	case abi.AfterEvent:
		r.Mode = deliver.Event
	}
	return r
}

func (v *view) attach(c *netio.Conn, head []byte, d deliver.Attach) error {
	fd, leftover, unsent, err := c.Detach()
	if err != nil {
		return err
	}
	d.FD, d.Leftover, d.Sink = fd, leftover, v
	d.Head = append(unsent, head...)
	viewer, err := v.r.room.options.Pool.Attach(d)
	if err != nil {
		closeFD(fd)
		return err
	}
	v.seat.mu.Lock()
	v.seat.viewer = viewer
	v.seat.mu.Unlock()
	return nil
}
