package session

import (
	"strings"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
)

// commitPublish makes the session a source: its child, a session of the plugin that
// parses the format, feeds the point.
func (b *batch) commitPublish(raw abi.Raw) {
	u, s := &b.rec.publish, b.s
	_ = b.decode(raw, u)
	format := strings.TrimPrefix(string(u.Format), "bytes:")
	prior, err := b.feed.Open(rendition(b.format, format))
	if err != nil { // the point was closed since reserve
		b.feed.Close("refused")
		s.enqueue(&abi.Stop{Reason: abi.StopPoint, Text: []byte(err.Error())})
		return
	}
	s.on = b.feed.Point().Name()
	b.feed.Point().SetAutoDestroy(u.Flags&abi.PublishAutoDestroy != 0)
	child := b.format.newSession(kindFormat, s.r.name+" "+s.name())
	child.on, child.link().network = s.on, s.network()
	child.conns = []*conn{{number: 1, in: newInlet(child.markReady)}}
	child.link().feed, child.link().parent = b.feed, s
	if u.Flags&abi.PublishPace != 0 {
		child.link().pace = &pacer{s: child}
	}
	s.link().child = child
	s.r.forgetBody(s.links.x)
	if s.kind == kindSource {
		s.r.room.sources.succeeded(s.on)
	}
	b.feed = nil
	s.begins(child.links.feed, child)
	child.w.add(child)
	child.enqueue(published(child.links.feed, prior))
	s.r.log.Info("source attached", "point", s.on, "format", format, "source", s.name())
	s.r.room.event("source", s.r.name, s, format)
	for _, c := range s.conns {
		c.reader.into(child.links.feed.Point(), &s.r.room.sources.read)
		if c.flow != nil && c.number == 1 && s.kind == kindRaw { // those to a peer stay (spec.md §6.17)
			s.w.watchSilence(s, c, feedSilence)
		}
	}
}

// rendition is the name under which a format plugin's packets are offered.
func rendition(r *Runner, format string) string {
	if g := r.Generation(); g != nil && len(g.Manifest().Produces) == 1 {
		return g.Manifest().Produces[0]
	}
	return format
}

func published(f *point.Feed, prior point.Prior) *abi.Published {
	return &abi.Published{
		Head:             abi.Head{Conn: 1},
		Point:            []byte(f.Point().Name()),
		Rendition:        []byte(f.Rendition().Name()),
		SourceGeneration: prior.Sources,
		NextSequence:     prior.NextSeq,
		NextTime:         int64(prior.NextTime),
		Header:           prior.Header,
	}
}

// commitFeed passes bytes to the child.
func (b *batch) commitFeed(raw abi.Raw) {
	f, s := &b.rec.feed, b.s
	_ = b.decode(raw, f)
	child := s.links.child
	if child == nil {
		return // the point was closed since reserve
	}
	in := child.conns[0].in
	if f.Flags&abi.FeedThrough != 0 {
		s.conn(f.Conn).in.divert(in)
		return
	}
	pieces, _ := b.gather(&f.Pieces)
	for _, p := range pieces {
		in.put(p)
	}
	in.notify()
}

// setHeader sets the header that the source's packets have from now on.
func (s *Session) setHeader(h []byte) {
	if s.links.pace != nil {
		s.links.pace.header(h)
		return
	}
	s.links.feed.SetHeader(h)
}

// Start asks the runner's plugin to feed a point from its URL.
func (r *Runner) start(p *point.Point) {
	s := r.newSession(kindSource, p.Options().From())
	s.on = p.Name()
	s.w.add(s)
	s.enqueue(&abi.Start{Point: []byte(p.Name()), URL: []byte(p.Options().URL)})
}

// pumpFile reads a file into an inlet, again and again if it loops.
func pumpFile(f File, in *inlet, loop bool) {
	b := make([]byte, readSize)
	var offset int64
	for {
		n, err := f.ReadAt(b, offset)
		if n > 0 && !in.write(b[:n]) {
			return
		}
		offset += int64(n)
		if err == nil {
			continue
		}
		if !loop || offset == 0 {
			in.finish(abi.EndClosed)
			return
		}
		in.mark()
		offset = 0
	}
}
