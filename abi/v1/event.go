package abi

import "encoding/binary"

// Head opens every event. Time and entropy are inputs, so that a call is a function
// of its input and can be replayed.
type Head struct {
	UnixNano int64    // wall clock, ns since 1970
	MonoNano int64    // monotonic clock of the host, ns; for differences only
	Entropy  [16]byte // fresh for each event
	Conn     uint32   // the connection it is about, 0 for none
}

// Event is a Record with a Head.
type Event interface {
	Record
	EventHead() *Head
}

// EventHead gives the head, for code that fills it in whatever the event.
func (h *Head) EventHead() *Head { return h }

// eventHead is the size of a head on the wire in bytes.
const eventHead = 8 + 8 + 16 + 4

func (h *Head) visit(c *coder) {
	if b := c.buf[c.pos:]; c.reading && len(b) >= eventHead { // whole, as it always is
		h.UnixNano, h.MonoNano = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		h.Entropy, h.Conn = [16]byte(b[16:]), binary.LittleEndian.Uint32(b[32:])
		c.pos += eventHead
		return
	}
	c.i64(&h.UnixNano)
	c.i64(&h.MonoNano)
	c.entropy(&h.Entropy)
	c.u32(&h.Conn)
}

// Open is the first record of every instance, on session 0.
type Open struct {
	Head
	Config   []byte // the plugin's own section of plugins.yaml as JSON
	Outbox   uint32 // bytes of verdicts the host takes for one frame
	Features []byte // names the host offers, separated by blanks
	Version  []byte // the host's version, for logs
}

// State hands in a session's held state. It precedes the session's event in the
// same frame; a session without one starts from the zero state.
type State struct {
	Head
	Schema []byte // the manifest's state.schema that wrote it
	Blob   []byte
}

// Transport says what a connection carries.
type Transport uint16

// The transports.
const (
	TransportStream    Transport = 0 // bytes: DATA, WRITE
	TransportDatagrams Transport = 1 // datagrams: DATAGRAMS, SEND
)

// ConnOpen: a connection whose first bytes, or a flow whose first datagram, matched one
// of the plugin's patterns. A flow is what one peer sends to one local address and port.
type ConnOpen struct {
	Head
	Listener  []byte
	Local     []byte // "address:port"
	Remote    []byte
	TLS       uint16
	Transport Transport
}

// DataFlags qualify DATA.
type DataFlags uint16

// DataLast: no input follows the bytes of this event.
const DataLast DataFlags = 1

// Data brings the input that is not consumed yet.
type Data struct {
	Head
	Offset uint64 // of Bytes[0] since the connection's beginning
	Bytes  []byte
	Flags  DataFlags
}

// EndReason says why input ended.
type EndReason uint16

// The reasons.
const (
	EndClosed  EndReason = 0 // the peer finished in an orderly way
	EndReset   EndReason = 1 // the connection broke
	EndTimeout EndReason = 2
	EndLoop    EndReason = 3 // a looping file starts anew; input goes on at the next offset
	EndParent  EndReason = 4 // the parent session is gone
)

// End: no input follows (but see EndLoop). Offset is the input's whole length.
type End struct {
	Head
	Reason EndReason
	Offset uint64
}

// BodyKind says how a request's entity is delimited.
type BodyKind uint16

// The kinds of body.
const (
	BodyNone    BodyKind = 0
	BodyLength  BodyKind = 1
	BodyChunked BodyKind = 2
	BodyToClose BodyKind = 3
)

// HTTPRequest opens a session with one HTTP exchange, connection 1.
type HTTPRequest struct {
	Head
	Route    []byte // the manifest's name of the route that matched
	Method   []byte
	Path     []byte // decoded, without query
	Query    []byte // raw
	Host     []byte // authority the client asked for
	Proto    uint16 // 10 for HTTP/1.0, 11, 20
	Body     BodyKind
	Expect   uint16 // 1: the client waits for 100 Continue
	TLS      uint16
	Length   uint64 // of the body, for BodyLength
	Listener []byte
	Local    []byte
	Remote   []byte
	Fields   Fields
	Point    PointSummary // of the point that the route named
	User     []byte       // who has logged in, by the access rules of plugins.yaml; empty: nobody had to
}

// visitNumbers reads whole numbers in one go.
func (r *HTTPRequest) visitNumbers(c *coder) {
	const size = 4*2 + 8
	if b := c.buf[c.pos:]; c.reading && len(b) >= size {
		r.Proto, r.Body = binary.LittleEndian.Uint16(b), BodyKind(binary.LittleEndian.Uint16(b[2:]))
		r.Expect, r.TLS = binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
		r.Length = binary.LittleEndian.Uint64(b[8:])
		c.pos += size
		return
	}
	c.u16(&r.Proto)
	c.u16((*uint16)(&r.Body))
	c.u16(&r.Expect)
	c.u16(&r.TLS)
	c.u64(&r.Length)
}

// Timer: a timer set by SET_TIMER has run out.
type Timer struct {
	Head
	ID uint32
}

// Dialed answers DIAL: Head.Conn is the new connection, or Code says why not.
type Dialed struct {
	Head
	Code   Code
	Text   []byte
	Size   uint64 // of a file, bytes
	Local  []byte // "address:port" of a flow to the peer
	Remote []byte // likewise, the peer's
}

// HTTPReply answers DIAL of an http: or https: URL: the head of the answer on connection
// Head.Conn. Its body follows as DATA, without its framing.
type HTTPReply struct {
	Head
	Status uint16
	Body   BodyKind
	Length uint64 // of the body, for BodyLength
	Fields Fields
}

// Point tells of a point: after WATCH and on each change.
type Point struct {
	Head
	Summary PointSummary
}

// Published tells a format session that it feeds a point, and what came before it.
type Published struct {
	Head
	Point            []byte
	Rendition        []byte
	SourceGeneration uint64
	NextSequence     uint64
	NextTime         int64  // ns; where the timeline of the last source ended
	Header           []byte // the last source's header, empty for the first
}

// Packets brings packets of the source rendition to a packager.
type Packets struct {
	Head
	Packets PacketNotes
}

// Attached: the viewer is on the rendition's log.
type Attached struct {
	Head
	Sequence uint64
	Time     int64
	Tag      uint64
}

// Detached: the viewer is off; its connection is closed unless the rule said event.
type Detached struct {
	Head
	Reason  []byte
	Bytes   uint64
	Packets uint64
}

// DocumentRequest asks an announcer for a document about a point.
type DocumentRequest struct {
	Head
	Format    []byte
	Point     PointSummary
	Endpoints Endpoints
	About     Fields // what the operator says of the point: title, author, copyright, abstract, moreinfo
}

// StopReason says why a session must end.
type StopReason uint16

// The reasons.
const (
	StopPoint    StopReason = 0 // the point was stopped
	StopDisabled StopReason = 1 // the plugin was disabled
	StopDraining StopReason = 2 // the server ends
	StopChild    StopReason = 3 // the format session that this one fed is gone
)

// Stop asks a session to end by itself until Deadline (ns, monotonic clock).
type Stop struct {
	Head
	Reason   StopReason
	Deadline int64
	Text     []byte
}

// Refused: a batch of the session's verdicts was not applied, and why.
type Refused struct {
	Head
	Verdict uint32 // index of the culprit in the batch
	Code    Code
	Text    []byte
	During  Op    // the event that the batch answered
	Limit   Limit // of ELIMIT that answers ATTACH: which limit keeps the viewer out
}

// Start asks a source plugin to feed a point from a URL.
type Start struct {
	Head
	Point []byte
	URL   []byte
}

// Package asks a packager to make rendition To out of From, or tells it that the
// header of From has changed.
type Package struct {
	Head
	Point      []byte
	From       []byte
	To         []byte
	Generation uint64
	Header     []byte // of From, up to 64 KiB; longer: use PieceHeader
}
