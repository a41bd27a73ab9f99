package host

import (
	"bytes"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

// relay is one pushed point at one end of a link. What the point's own source brings
// goes out; what comes in feeds the point, as its source. Each packet crosses once: at
// any moment at most one of the two sides sends.
type relay struct {
	l      *link
	p      *point.Point
	number uint32 // of the stream that goes out
	out    outgoing
	mu     sync.Mutex // of in, and over changes of who feeds the point
	in     incoming
}

// incoming is the half of which the point is fed.
type incoming struct {
	feed   *point.Feed // the relay's hold on the point; nil while others have it, or nothing comes
	source handover.Source
	owner  string
	header []byte
	mark   *stream.Log // whose packets up to next are known to the other side
	next   uint64
}

// outgoing is the half that sends; it is the writer's.
type outgoing struct {
	feed   *point.Feed // whose packets are sent; nil: none
	log    *stream.Log
	cursor stream.Cursor
	header *media.Header // the other side has it
	head   []byte
	lost   uint64
}

func newRelay(l *link, p *point.Point, number uint32) *relay {
	r := &relay{l: l, p: p, number: number}
	p.Watch(r)
	return r
}

// Changed and Wake have the writer look at the point.
func (r *relay) Changed(*point.Point) { r.l.poke() }

// Wake notes that the point's source has sent a packet.
func (r *relay) Wake(*stream.Log) { r.l.poke() }

func (r *relay) close() {
	r.p.Unwatch(r)
	if r.out.log != nil {
		r.out.log.RemoveWaker(r)
	}
}

// begin notes that a stream comes.
func (r *relay) begin(s handover.Source, owner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.source, r.in.owner = s, owner
	r.in.header = nil // it follows
	if f := r.in.feed; f != nil && f.Rendition().Name() != s.Rendition {
		r.release("the source has changed its form")
	}
	r.hold()
}

// hold takes the point for what comes, unless somebody else feeds it.
func (r *relay) hold() {
	if r.in.feed != nil {
		return
	}
	f, err := r.p.Publish(r.in.owner, true, time.Now())
	if err != nil {
		return // tried again at the next key packet
	}
	if _, err := f.OpenAt(r.in.source.Rendition, r.in.source.First, r.in.source.Sources); err != nil {
		f.Close("refused")
		return
	}
	r.in.feed = f
	if r.in.header != nil {
		f.SetHeader(r.in.header)
	}
	r.l.log.Info("point is fed by the other process", "point", r.p.Name(), "source", r.in.source.Owner)
}

// take handles a frame of the stream.
func (r *relay) take(f *handover.Frame) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch f.Kind {
	case handover.Header:
		r.in.header = bytes.Clone(f.Body)
		if r.in.feed != nil {
			r.in.feed.SetHeader(r.in.header)
		}
	case handover.Packet:
		k, err := handover.ParsePacket(f.Body)
		if err != nil {
			return err
		}
		if r.in.feed == nil && k.Flags.Has(media.Key) && r.in.header != nil {
			r.hold()
		}
		if r.in.feed != nil {
			r.in.feed.Append(k, k.Bytes)
		}
	case handover.End:
		var why handover.Text
		if err := handover.Unmarshal(f.Body, &why); err != nil {
			return err
		}
		r.release(why.Text)
	}
	return nil
}

// release gives the point back, whose viewers wait for the next source.
func (r *relay) release(why string) {
	if r.in.feed == nil {
		return
	}
	r.noteNext()
	feed := r.in.feed
	r.in.feed = nil
	feed.Close(why)
}

// noteNext notes what the other side has of the point's log: all of it.
func (r *relay) noteNext() {
	r.in.mark = r.in.feed.Rendition().Log
	_, r.in.next = r.in.mark.Bounds()
}

// lose ends what came, since the link has.
func (r *relay) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release("the process that relayed it has ended")
}

// maxBurst is how many bytes of one point are sent before another's turn: chosen.
const maxBurst = 1 << 20

// advance sends what the point has, and tells whether there is more. Writer.
func (r *relay) advance() (more bool, err error) {
	o := &r.out
	feed := r.ownFeed()
	if feed != o.feed && o.feed != nil {
		if err := r.drain(); err != nil {
			return false, err
		}
		o.feed = nil
		if feed == nil {
			return false, r.l.conn.Write(handover.End, r.number, nil, handover.Marshal(handover.Text{Text: "the source has left"}))
		}
	}
	if feed != nil && o.feed == nil {
		if err := r.start(feed); err != nil {
			return false, err
		}
	}
	if o.feed == nil {
		return false, nil
	}
	return r.sendSome(maxBurst)
}

// ownFeed gives the point's source unless it is the other side's.
func (r *relay) ownFeed() *point.Feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.p.Feed()
	if f == r.in.feed {
		return nil
	}
	return f
}

// start announces a source and finds the place from which on the other side lacks it.
func (r *relay) start(feed *point.Feed) error {
	o := &r.out
	r.mu.Lock()
	mark, next := r.in.mark, r.in.next
	r.in.mark = nil
	r.mu.Unlock()
	l := feed.Rendition().Log
	if l != o.log {
		if o.log != nil {
			o.log.RemoveWaker(r)
		}
		oldest, _ := l.Bounds()
		o.log, o.cursor = l, l.Cursor(stream.Start{Mode: stream.StartSeq, Seq: oldest})
		l.AddWaker(r)
	}
	if l == mark && next > o.cursor.Seq() {
		o.cursor = l.Cursor(stream.Start{Mode: stream.StartSeq, Seq: next})
	}
	o.feed, o.header = feed, nil
	s := handover.Source{Point: r.p.Name(), Rendition: feed.Rendition().Name(), Owner: feed.Owner(), First: o.cursor.Seq(), Sources: r.p.Snapshot().Sources}
	return r.l.conn.Write(handover.Begin, r.number, nil, handover.Marshal(s))
}

// drain sends all that the log has. Writer.
func (r *relay) drain() error {
	for r.out.feed != nil {
		if more, err := r.sendSome(maxBurst); err != nil || !more {
			return err
		}
	}
	return nil
}

// sendSome sends packets of up to most bytes and tells whether there may be more.
func (r *relay) sendSome(most int) (more bool, err error) {
	o := &r.out
	for sent := 0; sent < most; {
		k, st := o.cursor.Next()
		switch st {
		case stream.More:
			if err := r.sendHeader(o.cursor.Header()); err != nil {
				return false, err
			}
			o.head = handover.AppendPacket(o.head[:0], k)
			if err := r.l.conn.Write(handover.Packet, r.number, nil, o.head, k.Bytes); err != nil {
				return false, err
			}
			sent += len(k.Bytes) + len(o.head)
		case stream.HeaderChange:
			o.cursor.TakeHeader()
		case stream.Overrun:
			n, _ := o.cursor.SkipToKey()
			o.lost += n
			r.l.log.Warn("relay fell out of the point's buffer", "point", r.p.Name(), "packets", n)
		default:
			return false, nil
		}
	}
	return true, nil
}

func (r *relay) sendHeader(h *media.Header) error {
	if h == nil || h == r.out.header {
		return nil
	}
	r.out.header = h
	return r.l.conn.Write(handover.Header, r.number, nil, h.Bytes)
}
