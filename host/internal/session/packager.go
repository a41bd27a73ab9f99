package session

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

const (
	maxNotes     = 128      // packets that one PACKETS brings (chosen)
	maxNoteBytes = 64 << 10 // of payload and notes in one PACKETS (chosen)
	// maxWindowBytes bounds the source packets that one PACKETS is about, since a packager
	// may answer each by many packets that mark its parts. Chosen: packets of 188 bytes take a
	// third of an outbox then.
	maxWindowBytes = 512 << 10
	// maxPackageHeader is the longest header that PACKAGE brings whole: the longest that
	// fits into one $H chunk (MS-WMSP 2.2.3.1.1).
	maxPackageHeader = 64 << 10
	maxForgiven      = 16 // faults in a row that a packager survives (chosen: finding one packet among maxNotes takes half of them)
)

// packing is a packager's work: it reads one rendition and writes another.
type packing struct {
	s       *Session
	from    *point.Rendition
	to      *point.Rendition
	payload manifest.Payload
	cursor  stream.Cursor
	before  stream.Cursor // where it stood before the current event
	after   stream.Cursor // where it stands once the current event is answered
	most    int           // packets that the next event brings; 0: maxNotes
	window  []media.Packet
	head    *media.Header // that PACKAGE last told of
	notes   abi.Packets   // reused for each PACKETS
	faults  int
	begun   bool
	retry   backoff // of those that this one has replaced
}

// startPackager has the runner's plugin make rendition k.To of from. It may be called
// by any goroutine.
func (r *Runner) startPackager(p *point.Point, from *point.Rendition, k manifest.Package) {
	// The window is packaged, so that a plugin enabled during a broadcast has something to
	// burst from. Of one that packets leave already the oldest part is not: a viewer who joins
	// while that is being done would be where the next ones leave, and lose them.
	oldest, next := from.Log.Bounds()
	if from.Log.Flows() {
		oldest += (next - oldest) / 4
	}
	r.packageAt(p, from, k, stream.Start{Mode: stream.StartSeq, Seq: oldest}, backoff{})
}

func (r *Runner) packageAt(p *point.Point, from *point.Rendition, k manifest.Package, at stream.Start, retry backoff) {
	to, err := p.Derive(from, k.To)
	if err != nil {
		r.log.Debug("packager not started", "point", p.Name(), "from", from.Name(), "to", k.To, "why", err)
		return
	}
	s := r.newSession(kindPackager, from.Name()+"→"+k.To)
	s.on = p.Name()
	s.link().pack = &packing{s: s, from: from, to: to, payload: k.Payload, cursor: from.Log.Cursor(at), retry: retry}
	s.w.add(s)
	from.Log.AddWaker(s)
	s.markReady()
}

// replacePackager starts another packager after a while, in the place of one that ended
// by its faults, unless the source rendition or the plugin ends first. Worker.
func (w *worker) replacePackager(s *Session, during abi.Op) {
	p, now := s.links.pack, w.r.room.now()
	if now.Sub(s.since()) > lastWait {
		p.retry = backoff{} // it has worked
	}
	p.retry.failed(now)
	at := stream.Start{Mode: stream.StartSeq, Seq: p.cursor.Seq()}
	if during == abi.OpPackage {
		at = stream.Start{Mode: stream.StartLive} // the header at fault may have been replaced
	}
	w.r.log.Warn("packager ended by its faults; it is started again", "point", s.on, "from", p.from.Name(), "to", p.to.Name(), "in", p.retry.wait)
	w.timers.add(p.retry.until, func() {
		g, on := w.r.Generation(), p.from.Point()
		if g == nil || !w.r.State().Works() || p.from.Log.Ended() || !w.r.grant.Load().attaches(on.Name()) {
			return // whatever starts them again starts all packagers
		}
		for _, k := range g.Manifest().Packages {
			if k.From == p.from.Name() && k.To == p.to.Name() {
				w.r.packageAt(on, p.from, k, at, p.retry)
			}
		}
	})
}

// Wake notes that the source rendition has grown or ended.
func (s *Session) Wake(*stream.Log) { s.markReady() }

// header gives the source rendition's header for the packets at hand.
func (p *packing) header() []byte {
	if p.head == nil {
		return nil
	}
	return p.head.Bytes
}

// peekPackets chooses PACKAGE when the header is new, else PACKETS.
func (s *Session) peekPackets() bool {
	p := s.links.pack
	if p == nil {
		return false
	}
	if !p.begun {
		return p.peekFirst()
	}
	isBehind := s.isBehind()
	p.before, p.after = p.cursor, p.cursor
	p.window = p.window[:0]
	notes := &p.notes
	notes.Packets.Reset()
	most, bytes := maxNotes, 0
	if p.most > 0 {
		most = p.most
	}
	for len(p.window) < most && notes.Packets.Size() < maxNoteBytes && bytes < maxWindowBytes {
		mark := p.after
		k, st := p.after.Next()
		if st == stream.Overrun {
			p.after.SkipToKey()
			continue
		}
		if st != stream.More {
			break
		}
		if isBehind && k.Flags.Has(media.Key) {
			if p.after = mark; len(p.window) == 0 {
				p.cursor = mark
				return s.turn()
			}
			break
		}
		p.window = append(p.window, k)
		bytes += len(k.Bytes)
		notes.Packets.Add(p.note(k))
	}
	if len(p.window) == 0 {
		return p.checkStatus()
	}
	s.tell(notes, fromPackets)
	return true
}

// peekFirst chooses PACKAGE for the header of the packet at the cursor.
func (p *packing) peekFirst() bool {
	p.after = p.cursor
	if _, st := p.after.Next(); st == stream.HeaderChange {
		return p.peekHeader(p.after.TakeHeader())
	}
	p.after = p.cursor
	h := p.cursor.Header()
	if h == nil {
		h = p.from.Log.Header()
	}
	if h == nil {
		return p.checkEnd()
	}
	p.after.TakeHeader()
	return p.peekHeader(h)
}

// checkStatus looks why the cursor gives no packet.
func (p *packing) checkStatus() bool {
	p.after = p.cursor
	if _, st := p.after.Next(); st == stream.HeaderChange {
		if p.s.isBehind() {
			return p.s.turn()
		}
		return p.peekHeader(p.after.TakeHeader())
	}
	return p.checkEnd()
}

func (p *packing) checkEnd() bool {
	c := p.cursor
	if _, st := c.Next(); st == stream.Ended {
		p.s.w.post(func() { p.s.w.end(p.s, "source_end") })
	}
	return false
}

func (p *packing) peekHeader(h *media.Header) bool {
	if h == nil {
		return false
	}
	p.head = h
	e := &abi.Package{Point: []byte(p.to.Point().Name()), From: []byte(p.from.Name()), To: []byte(p.to.Name()), Generation: h.Generation}
	if len(h.Bytes) <= maxPackageHeader {
		e.Header = h.Bytes
	}
	p.s.tell(e, fromHeader)
	return true
}

func (p *packing) note(k media.Packet) abi.PacketNote {
	n := abi.PacketNote{Sequence: k.Seq, PTS: int64(k.PTS), DTS: int64(k.DTS), Track: k.Track, Tag: k.Tag, Size: uint32(len(k.Bytes))}
	if k.Flags.Has(media.Key) {
		n.Flags |= abi.PacketKey
	}
	if k.Flags.Has(media.Discontinuity) {
		n.Flags |= abi.PacketDiscontinuity
	}
	switch {
	case p.payload == manifest.PayloadAll:
		n.Bytes = k.Bytes
	case p.payload > 0:
		n.Bytes = k.Bytes[:min(int(p.payload), len(k.Bytes))]
	}
	return n
}

// take notes that the current event was answered or given up.
func (p *packing) take(from origin) {
	p.begun = p.begun || from == fromHeader
	p.cursor = p.after
}

// done notes that an answer was applied.
func (p *packing) done() {
	p.faults = 0
	p.most = min(2*p.most, maxNotes)
}

// isSearching reports whether a fault under way is a step of a packager's search for the
// packet that brings it, and not what was searched for. Worker.
func (s *Session) isSearching() bool {
	return s.links.pack != nil && s.cur.event.Op() == abi.OpPackets && len(s.links.pack.window) > 1
}

// forgive reports whether a packager goes on after a fault in PACKETS. The packets are
// tried again by halves, until one alone brings the fault: that one is skipped.
func (p *packing) forgive() bool {
	p.faults++
	if n := len(p.window); n > 1 {
		p.cursor, p.most = p.before, n/2
	} else {
		p.cursor = p.after
	}
	return p.faults < maxForgiven
}

// span gives the bytes of a source packet that a piece marks.
func (p *packing) span(x abi.Piece) ([]byte, bool) {
	if len(p.window) == 0 || x.Packet < p.window[0].Seq {
		return nil, false
	}
	for i := range p.window {
		k := &p.window[i]
		if k.Seq != x.Packet {
			continue
		}
		size := uint64(len(k.Bytes))
		if x.Offset > size {
			return nil, false
		}
		n := uint64(x.Length)
		if n == 0 {
			n = size - x.Offset
		}
		if n > size-x.Offset {
			return nil, false
		}
		return k.Bytes[x.Offset : x.Offset+n], true
	}
	return nil, false
}
