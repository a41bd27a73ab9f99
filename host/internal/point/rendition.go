package point

import "github.com/weir-media/weir/host/internal/stream"

// Rendition is a point's content in one wire form. Its Log has one writer: the feed
// for what the source sends, the packager for what is made of another rendition.
type Rendition struct {
	Log   *stream.Log
	name  string
	from  string
	point *Point

	viewers int   // the point's lock guards both
	charged int64 // bits a second that they count for
}

// Name is the rendition's name, "asf", "mmsh" …
func (r *Rendition) Name() string { return r.name }

// From is the rendition it is made of; empty for what the source sends.
func (r *Rendition) From() string { return r.from }

// tsDatagram is the length of a datagram of a transport stream: seven of its packets, as
// many as fit into an Ethernet frame. Every receiver of MPEG-TS over UDP takes them.
const tsDatagram = 7 * 188

// Datagram is how many bytes of the rendition's run go to a viewer in one datagram,
// whatever its packets; 0: each packet is one. A packet of a transport stream's rendition
// is a frame or a part of it, which no datagram could hold.
func (r *Rendition) Datagram() int {
	if r.name == "mpegts" {
		return tsDatagram
	}
	return 0
}

// Point is the point it belongs to.
func (r *Rendition) Point() *Point { return r.point }

// SetHeader sets the header that holds from the next packet on. Only the rendition's
// writer calls it.
func (r *Rendition) SetHeader(b []byte) {
	old := r.Log.Header()
	r.Log.SetHeader(b)
	now := r.Log.Header()
	if old == now || now == nil {
		return
	}
	if old == nil && r.point.onReady != nil {
		r.point.onReady(r.point, r)
	}
	r.point.changed()
}

// Derive makes rendition to, for a packager that reads from. It fails with ErrNoSuch
// when from has left the point, and ErrBusy when to is there already.
func (p *Point) Derive(from *Rendition, to string) (*Rendition, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.find(from.name) != from {
		return nil, ErrNoSuch
	}
	if p.find(to) != nil {
		return nil, ErrBusy
	}
	return p.addRendition(to, from.name, 0), nil
}

// Remove ends a derived rendition whose packager is gone.
func (p *Point) Remove(r *Rendition) {
	p.mu.Lock()
	set := p.set[:0:0]
	for _, x := range p.set {
		if x != r {
			set = append(set, x)
		}
	}
	p.set = set
	p.mu.Unlock()
	r.Log.End()
	p.changed()
}

func end(set []*Rendition) {
	for _, r := range set {
		// A derived log is its packager's to end: it does so when it has read the
		// last packet of the source's.
		if r.from == "" {
			r.Log.End()
		}
	}
}
