package abi

import (
	"encoding/binary"
	"iter"
)

// PointState is what a publishing point is doing.
type PointState uint16

// The states of a point. PointUnknown means that no point has the name.
const (
	PointUnknown  PointState = 0
	PointIdle     PointState = 1
	PointWaiting  PointState = 2
	PointLive     PointState = 3
	PointDraining PointState = 4
	PointFailed   PointState = 5
	PointStopped  PointState = 6
)

var stateNames = [...]string{"unknown", "idle", "waiting", "live", "draining", "failed", "stopped"}

// String gives the state's name as status and logs print it.
func (s PointState) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// PointSummary is what a plugin is told of a point; a group on the wire.
type PointSummary struct {
	Name             []byte
	State            PointState
	Reason           []byte // why it is failed, draining or stopped, for people
	HasSource        uint16 // 1 while a session feeds the point
	SourceGeneration uint64 // counts the sources that have fed it
	Viewers          uint32
	MaxViewers       uint32 // 0: no limit
	Push             uint16 // 1 if encoders push to the point, 0 if the host starts its source
	Renditions       Renditions
	// Template is the template of the configuration that the point was made from, or, of
	// an unknown point, from which PUBLISH would make it; empty: none.
	Template []byte
}

func (p *PointSummary) visit(c *coder) {
	g := c.open()
	c.bytes(&p.Name)
	c.u16((*uint16)(&p.State))
	c.bytes(&p.Reason)
	p.visitNumbers(c)
	p.Renditions.visit(c)
	c.bytes(&p.Template)
	c.close(g)
}

// visitNumbers reads whole numbers in one go.
func (p *PointSummary) visitNumbers(c *coder) {
	const size = 2 + 8 + 4 + 4 + 2
	if b := c.buf[c.pos:]; c.reading && len(b) >= size {
		p.HasSource, p.SourceGeneration = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint64(b[2:])
		p.Viewers, p.MaxViewers = binary.LittleEndian.Uint32(b[10:]), binary.LittleEndian.Uint32(b[14:])
		p.Push = binary.LittleEndian.Uint16(b[18:])
		c.pos += size
		return
	}
	c.u16(&p.HasSource)
	c.u64(&p.SourceGeneration)
	c.u32(&p.Viewers)
	c.u32(&p.MaxViewers)
	c.u16(&p.Push)
}

// IsFull reports whether the point's viewer limit is reached.
func (p *PointSummary) IsFull() bool { return p.MaxViewers > 0 && p.Viewers >= p.MaxViewers }

// Limit is which limit keeps a viewer out. LimitOfServer is added to the others where it is
// that of the server as a whole, and not the point's.
type Limit uint16

// The limits.
const (
	LimitNone      Limit = 0
	LimitViewers   Limit = 1 // as many watch as may
	LimitBandwidth Limit = 2 // all viewers together are sent as much as may be
	LimitPerViewer Limit = 3 // the rendition is faster than a viewer may be sent
	LimitJoins     Limit = 4 // as many as may have joined in this second
	LimitOfServer  Limit = 256
)

// Kind is the limit, whosever it is.
func (l Limit) Kind() Limit { return l &^ LimitOfServer }

// Rendition is one wire form in which a point's content is there to be joined.
type Rendition struct {
	Name       []byte
	Generation uint64 // of the header; 0: no header yet, the rendition cannot be joined
	HeaderSize uint32 // bytes
	Header     []byte // only in POINT and DOCUMENT_REQUEST, and only up to MaxPointHeader
	Limit      Limit  // that a further viewer would meet now
}

func (r *Rendition) visit(c *coder) {
	c.bytes(&r.Name)
	c.u64(&r.Generation)
	c.u32(&r.HeaderSize)
	c.bytes(&r.Header)
	c.u16((*uint16)(&r.Limit))
}

// Renditions is a list of Rendition, sorted by name.
type Renditions struct{ list }

// Reset empties a list that was built by Add and keeps its buffer.
func (l *Renditions) Reset() { l.reset() }

// Add appends a rendition, copying its bytes.
func (l *Renditions) Add(r Rendition) {
	c := l.begin(4 + len(r.Name) + 8 + 4 + 4 + len(r.Header) + 2)
	r.visit(&c)
}

// Find gives the rendition called name.
func (l *Renditions) Find(name string) (Rendition, bool) {
	for r := range l.All() {
		if string(r.Name) == name {
			return r, true
		}
	}
	return Rendition{}, false
}

// All walks the list. Names and headers are views of it.
func (l *Renditions) All() iter.Seq[Rendition] {
	return func(yield func(Rendition) bool) {
		for rest := l.raw; ; {
			c, tail, ok := next(rest)
			if !ok {
				return
			}
			var r Rendition
			r.visit(&c)
			if c.failed || !yield(r) {
				return
			}
			rest = tail
		}
	}
}

// EndpointKind is what a URL of a point leads to.
type EndpointKind uint16

// The kinds of endpoint.
const (
	EndpointUnicast   EndpointKind = 0 // the stream, from the server
	EndpointMulticast EndpointKind = 1 // the stream, from a group that the host sends it to
	EndpointDocument  EndpointKind = 2 // another announcement of the point
)

// Endpoint is one address at which players reach a point, for announcements.
type Endpoint struct {
	Plugin    []byte // empty for what the host sends by itself
	Scheme    []byte // "mms", "http" …
	URL       []byte // whole, with host, port and path
	Rendition []byte // of a document its format
	Rank      int32  // the best first: ascending
	Kind      EndpointKind
	// The rest is of EndpointMulticast.
	Group     []byte // address, without brackets
	Port      uint16
	TTL       uint16 // hops
	Interface []byte // by which the host sends; empty: as the system routes
	Local     []byte // address that the datagrams come from; empty: unknown
}

func (e *Endpoint) visit(c *coder) {
	c.bytes(&e.Plugin)
	c.bytes(&e.Scheme)
	c.bytes(&e.URL)
	c.bytes(&e.Rendition)
	c.i32(&e.Rank)
	c.u16((*uint16)(&e.Kind))
	c.bytes(&e.Group)
	c.u16(&e.Port)
	c.u16(&e.TTL)
	c.bytes(&e.Interface)
	c.bytes(&e.Local)
}

// size is what the endpoint takes on the wire, in bytes.
func (e *Endpoint) size() int {
	const numbers, texts = 4 + 2 + 2 + 2, 7
	return numbers + 4*texts + len(e.Plugin) + len(e.Scheme) + len(e.URL) + len(e.Rendition) + len(e.Group) + len(e.Interface) + len(e.Local)
}

// Endpoints is a list of Endpoint in the order in which they should be tried.
type Endpoints struct{ list }

// Reset empties a list that was built by Add and keeps its buffer.
func (l *Endpoints) Reset() { l.reset() }

// Add appends an endpoint, copying its bytes.
func (l *Endpoints) Add(e Endpoint) {
	c := l.begin(e.size())
	e.visit(&c)
}

// All walks the list. The fields are views of it.
func (l *Endpoints) All() iter.Seq[Endpoint] {
	return func(yield func(Endpoint) bool) {
		for rest := l.raw; ; {
			c, tail, ok := next(rest)
			if !ok {
				return
			}
			var e Endpoint
			e.visit(&c)
			if c.failed || !yield(e) {
				return
			}
			rest = tail
		}
	}
}
