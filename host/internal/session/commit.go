package session

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// commit carries out one verdict that reserve has let pass. What goes wrong now (a
// peer that has left, say) reaches the plugin as an event, not as an error.
func (b *batch) commit(raw abi.Raw) {
	s, rec := b.s, b.rec
	switch raw.Op {
	case abi.OpSetState:
		_ = b.decode(raw, &rec.rest.state)
		s.blob = append(s.blob[:0], rec.rest.state.Blob...)
		s.schema = s.era.gen.Manifest().State.Schema
	case abi.OpConsume, abi.OpRetain, abi.OpNeed:
		b.commitInput(raw)
	case abi.OpWrite:
		b.commitWrite(raw)
	case abi.OpAccept:
		s.links.x.accept(s)
	case abi.OpHTTPResponse:
		b.commitResponse(raw)
	case abi.OpWatch:
		_ = b.decode(raw, &rec.rest.watch)
		name := string(rec.rest.watch.Point)
		p := s.r.room.point(name)
		if p == nil { // it was removed since reserve
			s.enqueue(&abi.Point{Summary: summarize(nil, name, true, s.r.room.now())})
			break
		}
		if s.kind == kindRaw {
			s.r.room.want(p) // a peer's interest; an announcer's is none
			s.keepBack(p)
		}
		s.watch(p)
	case abi.OpAttach:
		b.commitAttach(raw)
	case abi.OpPublish:
		b.commitPublish(raw)
	case abi.OpFeed:
		b.commitFeed(raw)
	case abi.OpHeader, abi.OpPacket:
		b.commitMedia(raw)
	case abi.OpDocument:
		b.commitDocument(raw)
	case abi.OpDial:
		b.commitDial(raw)
	case abi.OpSend:
		b.commitSend(raw)
	case abi.OpLogin:
		b.commitLogin(raw)
	default:
		b.commitSmall(raw)
	}
}

func (s *Session) watch(p *point.Point) {
	if !slices.Contains(s.links.watched, p) {
		s.link().watched = append(s.links.watched, p)
		p.Watch(s)
	}
	s.Changed(p)
}

func (b *batch) commitInput(raw abi.Raw) {
	rec, s := b.rec, b.s
	switch raw.Op {
	case abi.OpConsume:
		_ = b.decode(raw, &rec.consume)
		c := s.conn(rec.consume.Conn)
		room := c.in.consume(rec.consume.Offset)
		if rec.consume.Offset > 0 {
			c.greet(s.w)
		}
		if p := s.links.parent; p != nil && room {
			p.markReady() // it may have waited for it
		}
	case abi.OpRetain:
		_ = b.decode(raw, &rec.retain)
		c := s.conn(rec.retain.Conn)
		c.retain, c.keeps = rec.retain.Offset, true
	case abi.OpNeed:
		_ = b.decode(raw, &rec.need)
		in := s.conn(rec.need.Conn).in
		in.mu.Lock()
		in.need = need{int(rec.need.Bytes), append([]byte(nil), rec.need.Delimiter...)}
		in.mu.Unlock()
	}
}

func (b *batch) commitWrite(raw abi.Raw) {
	_ = b.decode(raw, &b.rec.write)
	pieces, _ := b.gather(&b.rec.write.Pieces)
	out := join(pieces)
	s := b.s
	c := s.conn(b.rec.write.Conn)
	if v := s.view; s.isViewer(c) {
		if b.seen.closes {
			v.quiet()
		}
		v.write(out)
		return
	}
	c.greet(s.w)
	if c.out != nil {
		b.commitWriteOut(c, out)
		return
	}
	if err := c.net.TryWriteWithin(out, int(s.limits().Writes)); err != nil {
		if errors.Is(err, netio.ErrWriteOverflow) {
			s.r.reach(writesBound)
		}
		s.r.log.Info("write failed", "session", s.id, "peer", s.name(), "error", err)
		s.w.end(s, "write_overflow")
	}
}

// join copies pieces into one slice of their own.
func join(pieces [][]byte) []byte {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range pieces {
		out = append(out, p...)
	}
	return out
}

func (b *batch) commitResponse(raw abi.Raw) {
	_ = b.decode(raw, &b.rec.response)
	resp := &b.rec.response
	pieces, _ := b.gather(&resp.Pieces)
	a := answer{status: int(resp.Status), header: headerOf(&resp.Fields), body: join(pieces), flags: resp.Flags}
	if b.joined != nil {
		b.s.links.x.head = &a // the viewer's head; ATTACH follows
		return
	}
	b.s.logRefusal(a)
	b.s.answered(a.status)
	b.s.links.x.answer(a)
}

// headerOf copies header fields.
func headerOf(fields *abi.Fields) http.Header {
	const usual = 8 // fields of most answers: chosen
	h, values := make(http.Header, usual), make([]string, 0, usual)
	for f := range fields.All() {
		name := http.CanonicalHeaderKey(string(f.Name))
		if h[name] != nil {
			h[name] = append(h[name], string(f.Value))
			continue
		}
		values = append(values, string(f.Value))
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return h
}

// logRefusal leaves a trace of an encoder that was turned away, since most encoders
// show no answer to the person who runs them.
func (s *Session) logRefusal(a answer) {
	if x := s.links.x; a.status >= http.StatusBadRequest && x.x != nil && x.x.BodyKind() != netio.BodyNone {
		text, _, _ := strings.Cut(string(a.body), "\n")
		s.r.log.Warn("encoder refused", "point", s.on, "peer", s.name(), "status", a.status, "why", text)
	}
}

func (b *batch) commitMedia(raw abi.Raw) {
	s := b.s
	if raw.Op == abi.OpHeader {
		_ = b.decode(raw, &b.rec.header)
		pieces, _ := b.gather(&b.rec.header.Pieces)
		h := join(pieces)
		if p := s.links.pack; p != nil {
			p.to.SetHeader(h)
			return
		}
		s.setHeader(h)
		return
	}
	k := &b.rec.packet
	_ = b.decode(raw, k)
	pieces, _ := b.gather(&k.Pieces)
	pk := media.Packet{PTS: media.Time(k.PTS), DTS: media.Time(k.DTS), Track: k.Track, Tag: k.Tag}
	if k.Flags&abi.PacketKey != 0 {
		pk.Flags |= media.Key
	}
	if k.Flags&abi.PacketDiscontinuity != 0 {
		pk.Flags |= media.Discontinuity
	}
	switch {
	case s.links.pack != nil:
		s.links.pack.to.Log.Append(pk, pieces...)
	case s.links.pace != nil:
		s.links.pace.add(pk, join(pieces))
	default:
		s.links.feed.Append(pk, pieces...)
	}
}

func (b *batch) commitDocument(raw abi.Raw) {
	_ = b.decode(raw, &b.rec.document)
	d := &b.rec.document
	pieces, _ := b.gather(&d.Pieces)
	b.s.links.answer(documentAnswer{Type: string(d.Type), MaxAge: time.Duration(d.MaxAge) * time.Second, Body: join(pieces)})
	b.s.link().answer = nil
}

func (b *batch) commitSmall(raw abi.Raw) {
	rest, s := &b.rec.rest, b.s
	switch raw.Op {
	case abi.OpBindKey:
		b.commitBind(raw)
	case abi.OpJoinKey:
		b.commitJoin()
	case abi.OpResume:
		s.view.resume()
	case abi.OpDetach:
		s.view.hold()
	case abi.OpSetTimer:
		_ = b.decode(raw, &rest.timer)
		s.setTimer(rest.timer.ID, time.Duration(rest.timer.After))
	case abi.OpClose:
		_ = b.decode(raw, &rest.close)
		s.closeConn(rest.close.Conn, rest.close.Mode, string(rest.close.Reason))
	case abi.OpMetric:
		_ = b.decode(raw, &rest.metric)
		name := string(rest.metric.Name)
		b.seen.metrics = slices.DeleteFunc(b.seen.metrics, func(n string) bool { return n == name }) // its series exists from now on
		s.r.keepMetric(name)
		s.r.room.metrics.Custom(s.r.name, name, rest.metric.Delta)
	}
}

func (s *Session) setTimer(id uint32, after time.Duration) {
	l := s.links
	if old, ok := l.timers[id]; ok {
		s.w.timers.cancel(old)
		delete(l.timers, id)
	}
	if after <= 0 {
		return
	}
	if l = s.link(); l.timers == nil {
		l.timers = map[uint32]uint64{}
	}
	l.timers[id] = s.w.timers.add(s.r.room.now().Add(after), func() {
		delete(l.timers, id)
		s.enqueue(&abi.Timer{ID: id})
	})
}

// closeConn carries out CLOSE; number 0 outside of an event about a connection means
// the session.
func (s *Session) closeConn(number uint32, mode abi.CloseMode, reason string) {
	if reason == "" {
		reason = "closed"
	}
	c := s.conn(number)
	if number == 0 || c == nil || len(s.conns) == 1 {
		s.w.endAs(s, mode, reason, reason)
		return
	}
	c.close(mode)
}

func (c *conn) close(mode abi.CloseMode) {
	if c.closed || c == plain[0] {
		return
	}
	c.closed = true
	if c.in != nil {
		c.in.shut()
	}
	switch {
	case c.file != nil:
		_ = c.file.Close()
	case c.flow != nil:
		c.flow.Close()
	case c.out != nil:
		c.out.close(mode)
	case c.net == nil:
	case mode == abi.CloseReset:
		c.net.Reject(nil)
	case mode == abi.CloseFlush:
		c.net.CloseAfterFlush()
	default:
		c.net.Close()
	}
}

// afterwards ends what is over once the whole batch is done: an exchange that was
// answered and has no viewer; one with keys waits for the next.
func (b *batch) afterwards() {
	s := b.s
	if x := s.links.x; x == nil || !b.seen.response || s.view != nil {
		return
	}
	if s.links.keyed != nil {
		s.w.park(s)
		return
	}
	s.w.end(s, "answered")
}
