package sdk

import (
	"unsafe"

	"github.com/weir-media/weir/abi/v1"
)

// Verdicts collects one session's answer to one event. All of it is applied, or none
// of it is. The zero value is not usable; the runner hands one in. Its lists (Pieces,
// Fields) are scratch space that each builder call empties: fill one, use it in a
// verdict, then ask for the next.
type Verdicts struct {
	w       abi.Writer
	session uint64
	mark    int
	records uint32
	err     error
	pieces  Pieces
	fields  Fields
	rec     verdictRecords
}

// verdictRecords are reused so that no builder allocates.
type verdictRecords struct {
	state    abi.SetState
	consume  abi.Consume
	retain   abi.Retain
	need     abi.Need
	write    abi.Write
	accept   abi.Accept
	response abi.HTTPResponse
	attach   abi.Attach
	publish  abi.Publish
	feed     abi.Feed
	header   abi.Header
	packet   abi.Packet
	document abi.Document
	dial     abi.Dial
	rest     verdictRest
}

type verdictRest struct {
	watch  abi.Watch
	resume abi.Resume
	detach abi.Detach
	timer  abi.SetTimer
	close  abi.Close
	metric abi.Metric
	send   abi.Send
	bind   abi.BindKey
	join   abi.JoinKey
	login  abi.Login
	fail   abi.Fail
}

func (v *Verdicts) begin(session uint64) {
	v.session, v.err = session, nil
	v.mark, v.records = v.w.Mark()
}

func (v *Verdicts) put(r abi.Record) {
	if v.err == nil {
		v.err = v.w.Put(v.session, 0, r)
	}
}

func (v *Verdicts) fail(err error) {
	v.w.Truncate(v.mark, v.records)
	v.rec.rest.fail = abi.Fail{Code: codeOf(err), Text: Bytes(err.Error())}
	if v.w.Put(v.session, 0, &v.rec.rest.fail) != nil {
		v.rec.rest.fail.Text = nil
		_ = v.w.Put(v.session, 0, &v.rec.rest.fail)
	}
}

func (v *Verdicts) setState(blob []byte) {
	v.rec.state.Blob = blob
	v.put(&v.rec.state)
}

// Room is how many bytes of verdicts still fit into this frame. A format plugin that
// runs short stops consuming; the host delivers the rest again at once.
func (v *Verdicts) Room() int { return v.w.Room() }

// Pieces gives the scratch list of pieces, emptied.
func (v *Verdicts) Pieces() *Pieces {
	v.pieces.list.Reset()
	return &v.pieces
}

// Fields gives the scratch list of header fields, emptied.
func (v *Verdicts) Fields() *Fields {
	v.fields.list.Reset()
	return &v.fields
}

// Consume stops redelivery of input before the absolute offset.
func (v *Verdicts) Consume(conn uint32, offset uint64) {
	v.rec.consume = abi.Consume{Conn: conn, Offset: offset}
	v.put(&v.rec.consume)
}

// Retain keeps input from the absolute offset on for later spans.
func (v *Verdicts) Retain(conn uint32, offset uint64) {
	v.rec.retain = abi.Retain{Conn: conn, Offset: offset}
	v.put(&v.rec.retain)
}

// Need asks not to be called before n unconsumed bytes are there.
func (v *Verdicts) Need(conn uint32, n int) {
	v.rec.need = abi.Need{Conn: conn, Bytes: uint32(n)}
	v.put(&v.rec.need)
}

// NeedUntil asks not to be called before delimiter occurs within the first n
// unconsumed bytes. More than n bytes without it close the connection.
func (v *Verdicts) NeedUntil(conn uint32, delimiter []byte, n int) {
	v.rec.need = abi.Need{Conn: conn, Bytes: uint32(n), Delimiter: delimiter}
	v.put(&v.rec.need)
}

// Write sends pieces on a connection.
func (v *Verdicts) Write(conn uint32, p *Pieces) {
	v.rec.write = abi.Write{Conn: conn, Pieces: p.list}
	v.put(&v.rec.write)
}

// Send sends the pieces as one datagram to the peer of a flow.
func (v *Verdicts) Send(conn uint32, p *Pieces) {
	v.rec.rest.send = abi.Send{Conn: conn, Pieces: p.list}
	v.put(&v.rec.rest.send)
}

// Accept takes the request's body.
func (v *Verdicts) Accept(conn uint32) {
	v.rec.accept = abi.Accept{Conn: conn}
	v.put(&v.rec.accept)
}

// Login has the host judge what the session's peer wants to do at a point; LOGGED
// answers. The slices are copied.
func (v *Verdicts) Login(l abi.Login) {
	v.rec.rest.login = l
	v.put(&v.rec.rest.login)
}

// Respond answers the HTTP exchange. Nil lists are empty.
func (v *Verdicts) Respond(status int, flags abi.ResponseFlags, f *Fields, p *Pieces) {
	v.rec.response = abi.HTTPResponse{Status: uint16(status), Flags: flags}
	if f != nil {
		v.rec.response.Fields = f.list
	}
	if p != nil {
		v.rec.response.Pieces = p.list
	}
	v.put(&v.rec.response)
}

// RespondText answers with a line of plain text, for refusals that people read.
func (v *Verdicts) RespondText(status int, flags abi.ResponseFlags, text string) {
	f := v.Fields()
	f.Add("Content-Type", "text/plain; charset=utf-8")
	p := v.Pieces()
	p.Text(text)
	p.Text("\n")
	v.Respond(status, flags, f, p)
}

// Attach puts the connection onto a rendition's log. a.Prefix is taken from p when p
// is not nil.
func (v *Verdicts) Attach(a abi.Attach, p *Pieces) {
	v.rec.attach = a
	if p != nil {
		v.rec.attach.Prefix = p.list
	}
	v.put(&v.rec.attach)
}

// Resume lets a held viewer go.
func (v *Verdicts) Resume(conn uint32) {
	v.rec.rest.resume = abi.Resume{Conn: conn}
	v.put(&v.rec.rest.resume)
}

// Detach takes the viewer off its log.
func (v *Verdicts) Detach(conn uint32) {
	v.rec.rest.detach = abi.Detach{Conn: conn}
	v.put(&v.rec.rest.detach)
}

// Watch asks for POINT events about a point.
func (v *Verdicts) Watch(point []byte) {
	v.rec.rest.watch = abi.Watch{Point: point}
	v.put(&v.rec.rest.watch)
}

// Publish makes the session the source of a point.
func (v *Verdicts) Publish(point []byte, format string, flags abi.PublishFlags) {
	v.rec.publish = abi.Publish{Point: point, Format: Bytes(format), Flags: flags}
	v.put(&v.rec.publish)
}

// PublishFrom is Publish for a point that may have to be made: template names the point
// whose settings it gets, empty for those of the template that its name fits.
func (v *Verdicts) PublishFrom(template, point []byte, format string, flags abi.PublishFlags) {
	v.rec.publish = abi.Publish{Point: point, Format: Bytes(format), Flags: flags, Template: template}
	v.put(&v.rec.publish)
}

// BindKey registers the session under a key, and keeps it for so many ns without a request.
func (v *Verdicts) BindKey(key []byte, keep int64) {
	v.rec.rest.bind = abi.BindKey{Key: key, Keep: keep}
	v.put(&v.rec.rest.bind)
}

// JoinKey gives the request to the session with the key; no other verdict may stand beside it.
func (v *Verdicts) JoinKey(key []byte) {
	v.rec.rest.join = abi.JoinKey{Key: key}
	v.put(&v.rec.rest.join)
}

// Feed passes pieces to the child session; of datagrams, their payloads one after
// another.
func (v *Verdicts) Feed(conn uint32, p *Pieces) {
	v.rec.feed = abi.Feed{Conn: conn, Pieces: p.list}
	v.put(&v.rec.feed)
}

// FeedThrough passes all further input to the child session without another call.
func (v *Verdicts) FeedThrough(conn uint32) {
	v.rec.feed = abi.Feed{Conn: conn, Flags: abi.FeedThrough}
	v.put(&v.rec.feed)
}

// Header sets the header of the rendition that the session feeds.
func (v *Verdicts) Header(p *Pieces) {
	v.rec.header = abi.Header{Pieces: p.list}
	v.put(&v.rec.header)
}

// Packet appends a packet to the rendition that the session feeds; k.Pieces is taken
// from p.
func (v *Verdicts) Packet(k abi.Packet, p *Pieces) {
	v.rec.packet = k
	v.rec.packet.Pieces = p.list
	v.put(&v.rec.packet)
}

// Document answers DOCUMENT_REQUEST.
func (v *Verdicts) Document(mediaType string, maxAge uint32, p *Pieces) {
	v.rec.document = abi.Document{Type: Bytes(mediaType), MaxAge: maxAge, Pieces: p.list}
	v.put(&v.rec.document)
}

// Dial opens connection conn (2 or above) to url.
func (v *Verdicts) Dial(conn uint32, url []byte, flags abi.DialFlags) {
	v.rec.dial = abi.Dial{Conn: conn, URL: url, Flags: flags}
	v.put(&v.rec.dial)
}

// DialWith is Dial with all that a DIAL can say; the header fields of a request are taken
// from f when f is not nil.
func (v *Verdicts) DialWith(d abi.Dial, f *Fields) {
	v.rec.dial = d
	if f != nil {
		v.rec.dial.Fields = f.list
	}
	v.put(&v.rec.dial)
}

// SetTimer sets timer id to run out after ns from now; 0 takes it back.
func (v *Verdicts) SetTimer(id uint32, ns int64) {
	v.rec.rest.timer = abi.SetTimer{ID: id, After: ns}
	v.put(&v.rec.rest.timer)
}

// Close ends a connection, or with conn 0 the session.
func (v *Verdicts) Close(conn uint32, mode abi.CloseMode, reason string) {
	v.rec.rest.close = abi.Close{Conn: conn, Mode: mode, Reason: Bytes(reason)}
	v.put(&v.rec.rest.close)
}

// Metric adds delta to the plugin's counter name.
func (v *Verdicts) Metric(name string, delta uint64) {
	v.rec.rest.metric = abi.Metric{Name: Bytes(name), Delta: delta}
	v.put(&v.rec.rest.metric)
}

// Bytes is a view of a string's bytes without a copy. They must not be written to.
func Bytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// String is a view of bytes as a string without a copy, valid as long as they are.
func String(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
