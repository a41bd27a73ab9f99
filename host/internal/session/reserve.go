package session

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
)

// reserve checks one verdict and takes what it needs. Nothing is done yet that
// release could not give back.
func (b *batch) reserve(raw abi.Raw) error {
	rec := b.rec
	if b.s.kind == kindFormat && !formatVerdicts[raw.Op] {
		return denyf(abi.ESTATE, "a format's session gives no %v", raw.Op)
	}
	switch raw.Op {
	case abi.OpSetState:
		return b.reserveState(raw)
	case abi.OpConsume, abi.OpRetain, abi.OpNeed:
		return b.reserveInput(raw)
	case abi.OpWrite:
		return b.reserveWrite(raw)
	case abi.OpAccept, abi.OpHTTPResponse:
		return b.reserveExchange(raw)
	case abi.OpWatch:
		if err := b.decode(raw, &rec.rest.watch); err != nil {
			return err
		}
		return b.reserveWatch(string(rec.rest.watch.Point))
	case abi.OpAttach:
		return b.reserveAttach(raw)
	case abi.OpPublish:
		return b.reservePublish(raw)
	case abi.OpFeed:
		return b.reserveFeed(raw)
	case abi.OpHeader, abi.OpPacket:
		return b.reserveMedia(raw)
	case abi.OpDocument:
		return b.reserveDocument(raw)
	case abi.OpDial:
		return b.reserveDial(raw)
	case abi.OpSend:
		return b.reserveSend(raw)
	case abi.OpLogin:
		return b.reserveLogin(raw)
	default:
		return b.reserveSmall(raw)
	}
}

// formatVerdicts are those of a child session (spec.md 8.6).
var formatVerdicts = map[abi.Op]bool{
	abi.OpSetState: true, abi.OpConsume: true, abi.OpRetain: true, abi.OpNeed: true, abi.OpHeader: true, abi.OpPacket: true,
	abi.OpSetTimer: true, abi.OpClose: true, abi.OpMetric: true, abi.OpFail: true,
}

func (b *batch) reserveState(raw abi.Raw) error {
	st := &b.rec.rest.state
	if err := b.decode(raw, st); err != nil {
		return err
	}
	if most := b.s.limits().State; uint64(len(st.Blob)) > most {
		b.s.r.reach(stateBound)
		return denyf(abi.ETOOBIG, "state of %d bytes; %d are allowed", len(st.Blob), most)
	}
	return nil
}

func (b *batch) reserveInput(raw abi.Raw) error {
	var number uint32
	var offset uint64
	rec := b.rec
	switch raw.Op {
	case abi.OpConsume:
		if err := b.decode(raw, &rec.consume); err != nil {
			return err
		}
		number, offset = rec.consume.Conn, rec.consume.Offset
	case abi.OpRetain:
		if err := b.decode(raw, &rec.retain); err != nil {
			return err
		}
		number, offset = rec.retain.Conn, rec.retain.Offset
	default:
		if err := b.decode(raw, &rec.need); err != nil {
			return err
		}
		number = rec.need.Conn
		if rec.need.Bytes > maxDelivery {
			return sinf(plugin.Protocol, "NEED of %d bytes; one event brings at most %d", rec.need.Bytes, maxDelivery)
		}
	}
	c := b.s.conn(number)
	switch {
	case c == nil || c.in == nil:
		return denyf(abi.ENOENT, "no connection %d", number)
	case c.flow != nil && raw.Op != abi.OpRetain:
		return denyf(abi.ESTATE, "%v on a flow: datagrams come one by one, and are consumed by being delivered", raw.Op)
	case raw.Op == abi.OpConsume && !c.in.canConsume(offset):
		return sinf(plugin.BadSpan, "CONSUME %d lies outside of what was delivered", offset)
	case raw.Op == abi.OpRetain && !c.in.canRetain(offset):
		return denyf(abi.EINVAL, "RETAIN %d lies outside of what is held", offset)
	case raw.Op == abi.OpRetain:
		if most, behind := b.s.limits().Retained, c.in.behind(offset); behind > most {
			b.s.r.reach(retainedBound)
			code := abi.ELIMIT
			if behind > abi.MaxRetain {
				code = abi.EINVAL // spec.md 6.3
			}
			return denyf(code, "RETAIN %d keeps %d bytes; %d are allowed", offset, behind, most)
		}
	}
	return nil
}

func (b *batch) reserveWrite(raw abi.Raw) error {
	w := &b.rec.write
	if err := b.decode(raw, w); err != nil {
		return err
	}
	c := b.s.conn(w.Conn)
	switch {
	case c == nil:
		return denyf(abi.ENOENT, "no connection %d", w.Conn)
	case c.out != nil && !c.closed:
		if c.out.writable() == nil {
			return denyf(abi.ESTATE, "connection %d takes no WRITE: it does not stand yet, or is an HTTP request's", w.Conn)
		}
	case c.closed || c.flow != nil || !b.s.isViewer(c) && (c.net == nil || b.s.kind == kindExchange):
		return denyf(abi.ECLOSED, "connection %d takes no WRITE", w.Conn)
	}
	_, err := b.gather(&w.Pieces)
	return err
}

func (b *batch) reserveExchange(raw abi.Raw) error {
	x := b.s.links.x
	if x == nil {
		return denyf(abi.ESTATE, "the session has no HTTP exchange")
	}
	if raw.Op == abi.OpAccept {
		if !x.canAccept() || b.seen.accepted || b.seen.response {
			return denyf(abi.ESTATE, "the request's body was accepted or answered before")
		}
		if x.x.BodyKind() == netio.BodyNone {
			return denyf(abi.ESTATE, "the request has no body")
		}
		b.seen.accepted = true
		return b.decode(raw, &b.rec.accept)
	}
	resp := &b.rec.response
	if err := b.decode(raw, resp); err != nil {
		return err
	}
	if !x.isOpen() || b.seen.response {
		return denyf(abi.ESTATE, "the request was answered before")
	}
	if resp.Status < 200 || resp.Status > 599 {
		return denyf(abi.EINVAL, "HTTP status %d", resp.Status)
	}
	for f := range resp.Fields.All() {
		if bytes.ContainsAny(f.Value, "\r\n\x00") || !isToken(f.Name) {
			return denyf(abi.EINVAL, "HTTP header field %q", f.Name)
		}
	}
	b.seen.response = true
	_, err := b.gather(&resp.Pieces)
	return err
}

// isToken judges a header field's name (RFC 9110 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !isLetter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return len(name) > 0
}

// maxWatched bounds the points that one session watches (chosen).
const maxWatched = 16

func (b *batch) reserveWatch(name string) error {
	grant := b.s.r.grant.Load()
	p := b.s.r.room.point(name)
	switch {
	case !grant.attaches(name) && !grant.publishes(name):
		return denyf(abi.EPERM, "point %q is not granted to this plugin in plugins.yaml (grant: attach or publish)", name)
	case p == nil:
		return denyf(abi.ENOENT, "no point %q", name)
	case slices.Contains(b.s.links.watched, p):
		return b.admitsAny(name)
	case len(b.s.links.watched)+b.seen.watches >= maxWatched:
		return denyf(abi.ELIMIT, "a session may watch %d points", maxWatched)
	}
	if err := b.admitsAny(name); err != nil {
		return err
	}
	b.seen.watches++
	return nil
}

func (b *batch) reserveAttach(raw abi.Raw) error {
	a, s := &b.rec.attach, b.s
	if err := b.decode(raw, a); err != nil {
		return err
	}
	name := string(a.Point)
	p := s.r.room.point(name)
	c := s.viewerConn(a.Conn)
	switch {
	case !s.r.grant.Load().attaches(name):
		return denyf(abi.EPERM, "attach to point %q is not granted to this plugin in plugins.yaml (grant: attach)", name)
	case p == nil:
		return denyf(abi.ENOENT, "no point %q", name)
	case s.links.keyed != nil || len(b.seen.keys) > 0:
		return denyf(abi.ESTATE, "a session with keys has no viewer")
	case b.joined != nil || s.view != nil && !s.view.isHeld():
		return denyf(abi.ESTATE, "the connection has a viewer already")
	case s.kind == kindExchange && s.view == nil && !b.seen.response:
		return denyf(abi.ESTATE, "ATTACH on an HTTP exchange follows its HTTP_RESPONSE in the same batch")
	case c == nil:
		return denyf(abi.ENOENT, "no connection %d", a.Conn)
	case s.kind != kindExchange && s.kind != kindRaw || a.Conn > 1 && (c.flow == nil || !c.flow.Remote().IsValid()):
		return denyf(abi.ESTATE, "this session has no viewer's connection %d", a.Conn)
	case s.view != nil && !s.isViewer(c):
		return denyf(abi.ESTATE, "another connection of the session's is its viewer")
	case c.flow != nil && (c.closed || !c.flow.isShareable()):
		return denyf(abi.ESTATE, "the flow's address is bound by another server and steered here: SEND reaches its peer, ATTACH does not")
	case c.flow != nil && !c.flow.answered.Load():
		return denyf(abi.EAGAIN, "the flow's peer has sent nothing since SEND: whether it has the address that it came from is not known")
	case a.Mode > abi.StartTime || a.OnLag > abi.LagClose || a.OnChange > abi.AfterEvent || a.OnEnd > abi.AfterEvent:
		return denyf(abi.EINVAL, "ATTACH with a mode or rule that this host does not know")
	}
	if err := b.admits(access.Play, name); err != nil {
		return err
	}
	if _, err := b.gather(&a.Prefix); err != nil {
		return err
	}
	s.r.room.want(p)
	join := p.Join
	if s.view != nil && s.view.seat.rendition.Point() == p { // it has a place there
		join = p.Rejoin
	}
	r, err := join(string(a.Rendition), s.r.room.now())
	if err != nil {
		if l := refusedBy(err); l != point.NoLimit {
			s.limited(l)
		}
		return err
	}
	b.joined = r
	return nil
}

func (b *batch) reservePublish(raw abi.Raw) error {
	u, s := &b.rec.publish, b.s
	if err := b.decode(raw, u); err != nil {
		return err
	}
	name := string(u.Point)
	p := s.r.room.point(name)
	format, isBytes := strings.CutPrefix(string(u.Format), "bytes:")
	switch {
	case !s.r.grant.Load().publishes(name):
		return denyf(abi.EPERM, "publish to point %q is not granted to this plugin in plugins.yaml (grant: publish)", name)
	case p == nil && s.r.room.template(name) == "":
		return denyf(abi.ENOENT, "no point %q", name)
	case s.links.child != nil || s.links.feed != nil || b.feed != nil:
		return denyf(abi.ESTATE, "the session is a source already")
	case !isBytes:
		return denyf(abi.ENOSYS, "format %q; a source names bytes:FORMAT", u.Format)
	}
	if err := b.admits(access.Publish, name); err != nil {
		return err
	}
	b.format = s.r.room.formatter(string(u.Format))
	if b.format == nil {
		return denyf(abi.ENOSYS, "no running plugin understands %s; enable the plugin that parses it in plugins.yaml", format)
	}
	if no := b.format.excuse(s.network()); no != nil {
		b.format.turnedAway(no.reason, s.name())
		return denyf(abi.EAGAIN, "%s", no.text)
	}
	if p == nil {
		var err error
		if p, err = s.r.room.MakePoint(name, string(u.Template)); err != nil {
			return err
		}
	}
	feed, err := p.Publish(s.r.name+" "+s.name(), s.kind != kindSource, s.r.room.now())
	if err != nil {
		return err
	}
	b.feed = feed
	return nil
}

func (b *batch) reserveFeed(raw abi.Raw) error {
	f, s := &b.rec.feed, b.s
	if err := b.decode(raw, f); err != nil {
		return err
	}
	if s.links.child == nil && b.feed == nil {
		return denyf(abi.ESTATE, "FEED without a child session; PUBLISH comes first")
	}
	if s.cur.from != fromInput && s.links.child != nil && s.links.child.conns[0].in.full() {
		return denyf(abi.EAGAIN, "the child has %d bytes to read", inletLimit) // input itself waits for room
	}
	if f.Flags&abi.FeedThrough != 0 {
		if c := s.conn(f.Conn); c == nil || c.in == nil {
			return denyf(abi.ENOENT, "no connection %d", f.Conn)
		}
		return nil
	}
	_, err := b.gather(&f.Pieces)
	return err
}

func (b *batch) reserveMedia(raw abi.Raw) error {
	var pieces *abi.Pieces
	if raw.Op == abi.OpHeader {
		if err := b.decode(raw, &b.rec.header); err != nil {
			return err
		}
		pieces = &b.rec.header.Pieces
	} else {
		if err := b.decode(raw, &b.rec.packet); err != nil {
			return err
		}
		pieces = &b.rec.packet.Pieces
	}
	to := b.s.writes()
	switch {
	case to == nil:
		return denyf(abi.ESTATE, "the session feeds no rendition")
	case raw.Op == abi.OpHeader:
		b.seen.header = true
	case !b.seen.header && to.Log.Header() == nil && (b.s.links.pace == nil || !b.s.links.pace.headed):
		return denyf(abi.ESTATE, "PACKET before the rendition's HEADER")
	}
	_, err := b.gather(pieces)
	return err
}

// writes gives the rendition that the session feeds, or nil.
func (s *Session) writes() *point.Rendition {
	switch {
	case s.links.pack != nil:
		return s.links.pack.to
	case s.links.feed != nil:
		return s.links.feed.Rendition()
	}
	return nil
}

func (b *batch) reserveDocument(raw abi.Raw) error {
	if err := b.decode(raw, &b.rec.document); err != nil {
		return err
	}
	if b.s.links.answer == nil || b.seen.document {
		return denyf(abi.ESTATE, "nobody waits for a document of this session")
	}
	b.seen.document = true
	_, err := b.gather(&b.rec.document.Pieces)
	return err
}
