package abi

// SetState replaces the session's held state, at most MaxState bytes.
type SetState struct{ Blob []byte }

// Consume stops redelivery of input before Offset (absolute).
type Consume struct {
	Conn   uint32
	Offset uint64
}

// Retain keeps input from Offset (absolute) on for spans, at most MaxRetain bytes
// back from the end of what was delivered. Without it, consumed input is let go.
type Retain struct {
	Conn   uint32
	Offset uint64
}

// Need: do not call again before Bytes unconsumed bytes are there, or, with a
// Delimiter, before it occurs among them or that many are there without it. It holds
// for one DATA.
type Need struct {
	Conn      uint32
	Bytes     uint32
	Delimiter []byte
}

// Write sends pieces on the connection, at the next packet boundary of a viewer.
type Write struct {
	Conn   uint32
	Pieces Pieces
}

// Accept takes a request's body: sends 100 Continue if the client waits for it and
// starts DATA.
type Accept struct{ Conn uint32 }

// ResponseFlags qualify HTTP_RESPONSE.
type ResponseFlags uint16

// ResponseClose ends the connection after the response; ResponseReset answers, then
// resets it, for encoders that read no answer.
const (
	ResponseClose ResponseFlags = 1
	ResponseReset ResponseFlags = 2
)

// HTTPResponse answers the exchange. The host fills in the length. With an ATTACH
// behind it in the batch the response has no length and the viewer's bytes follow.
type HTTPResponse struct {
	Status uint16
	Flags  ResponseFlags
	Fields Fields
	Pieces Pieces
}

// Watch asks for POINT events about a point.
type Watch struct{ Point []byte }

// StartMode says where in the log a viewer begins.
type StartMode uint16

// The modes. StartBurst takes the key packet at least Back ns behind live.
const (
	StartLive  StartMode = 0
	StartKey   StartMode = 1
	StartBurst StartMode = 2
	StartSeq   StartMode = 3
	StartTime  StartMode = 4
)

// LagRule says what becomes of a viewer that falls out of its window.
type LagRule uint16

// The rules.
const (
	LagSkip  LagRule = 0 // to the newest key packet
	LagClose LagRule = 1
)

// AfterRule says what follows when a rendition's header changes or it ends.
type AfterRule uint16

// The rules. Rule bytes are sent first in each case.
const (
	AfterClose    AfterRule = 0
	AfterContinue AfterRule = 1 // on_change: the new packets; on_end: wait for the next source
	AfterEvent    AfterRule = 2 // DETACHED, the connection stays the session's
)

// Attach puts the connection's viewer onto a rendition's log.
type Attach struct {
	Conn        uint32
	Point       []byte
	Rendition   []byte
	Mode        StartMode
	OnLag       LagRule
	OnChange    AfterRule
	OnEnd       AfterRule
	Hold        uint16 // 1: send nothing before RESUME
	WithHeader  uint16 // 1: the rendition's header precedes the first packet
	Back        int64  // ns, for StartBurst
	Seq         uint64 // for StartSeq
	Time        int64  // ns, for StartTime
	ChangeBytes []byte
	EndBytes    []byte
	Prefix      Pieces // sent before the header
}

// Resume lets a held viewer go.
type Resume struct{ Conn uint32 }

// Detach takes the viewer off its log at the next packet boundary.
type Detach struct{ Conn uint32 }

// PublishFlags qualify PUBLISH.
type PublishFlags uint16

// PublishPace: packets are appended at their own times and input is read only one
// second ahead. PublishAutoDestroy: a point that was made from a template goes with the
// session that feeds it.
const (
	PublishPace        PublishFlags = 1
	PublishAutoDestroy PublishFlags = 2
)

// Publish makes the session the source of a point. Format "bytes:NAME" opens a
// child session of the plugin that consumes it; another format names the rendition
// that this session itself will feed.
type Publish struct {
	Point  []byte
	Format []byte
	Flags  PublishFlags
	// Template names the point whose settings a point gets that is made for this; empty:
	// it gets those of the template that its name fits.
	Template []byte
}

// FeedFlags qualify FEED.
type FeedFlags uint16

// FeedThrough passes all further input of the connection, from the consumed offset
// on, to the child without calling this session again before END.
const FeedThrough FeedFlags = 1

// Feed passes bytes to the child session that PUBLISH opened.
type Feed struct {
	Conn   uint32
	Flags  FeedFlags
	Pieces Pieces
}

// Header sets the header of the rendition that the session feeds. An equal one
// changes nothing.
type Header struct{ Pieces Pieces }

// PacketFlags qualify a packet.
type PacketFlags uint16

// PacketKey: a viewer may begin here. PacketDiscontinuity: times or content jump.
const (
	PacketKey           PacketFlags = 1
	PacketDiscontinuity PacketFlags = 2
)

// Packet appends one packet to the rendition that the session feeds.
type Packet struct {
	PTS, DTS int64 // ns on the rendition's timeline
	Duration int64 // ns, 0 if unknown
	Flags    PacketFlags
	Track    uint16
	Tag      uint64
	Pieces   Pieces
}

// Document answers DOCUMENT_REQUEST.
type Document struct {
	Type   []byte // media type
	MaxAge uint32 // seconds a cache may keep it
	Pieces Pieces
}

// DialFlags qualify DIAL.
type DialFlags uint16

// DialLoop: start a file anew at its end, with END(loop) between.
const DialLoop DialFlags = 1

// Dial opens a connection of the session's own; DIALED answers.
type Dial struct {
	Conn    uint32 // the number that the plugin gives it, 2 or above
	Flags   DialFlags
	URL     []byte
	Method  []byte // of an HTTP request; empty: GET
	Fields  Fields // its header fields
	Silence int64  // ns without input after which a tcp, tls or HTTP connection ends; 0: 10 s
}

// SetTimer sets timer ID to run out After ns from now; 0 takes it back.
type SetTimer struct {
	ID    uint32
	After int64
}

// CloseMode says how a connection ends.
type CloseMode uint16

// The modes.
const (
	CloseFlush CloseMode = 0 // after all pending bytes are sent
	CloseNow   CloseMode = 1
	CloseReset CloseMode = 2 // with a TCP reset
)

// Close ends a connection; with Conn 0, the session and all that it holds.
type Close struct {
	Conn   uint32
	Mode   CloseMode
	Reason []byte
}

// Metric adds Delta to the plugin's counter Name.
type Metric struct {
	Name  []byte
	Delta uint64
}

// Fail answers a session's event with an error code instead of verdicts: EPROTO
// blames the peer and closes its connection, EINTERNAL counts against the plugin.
// No other verdict of the session may stand beside it.
type Fail struct {
	Code Code
	Text []byte
}
