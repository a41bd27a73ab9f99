package session

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
)

// answerTimeout is how long a plugin may leave a request unanswered (chosen: twice the
// longest poll in use).
const answerTimeout = 30 * time.Second

// Front receives what a listener accepts and opens sessions for it. SetTable may be
// called at any time.
type Front struct {
	room     *Room
	table    atomic.Pointer[manifest.Table]
	fallback atomic.Pointer[http.Handler]
}

// NewFront makes the handler of one listener.
func (room *Room) NewFront() *Front { return &Front{room: room} }

// SetTable replaces the routes.
func (f *Front) SetTable(t *manifest.Table) { f.table.Store(t) }

// SetFallback gives the requests that no plugin takes to h; nil answers them with 404.
func (f *Front) SetFallback(h http.Handler) {
	if h == nil {
		f.fallback.Store(nil)
		return
	}
	f.fallback.Store(&h)
}

// ServeRaw opens a session for a connection whose first bytes matched a plugin's
// pattern; it lasts as long as the connection can be read. The session ends early if the
// plugin consumes and writes nothing for greetingTime.
func (f *Front) ServeRaw(c *netio.Conn, plugin string) {
	r := f.room.Runner(plugin)
	if r == nil {
		c.Close()
		return
	}
	if no := r.refuses(c.Remote()); no != nil {
		no.refuse(c, r.saysOfItself())
		return
	}
	s := r.newPeer(kindRaw, c.Remote())
	s.connected(c.Listener())
	in := newInlet(s.markReady)
	reader := newIntake(c, in, 0)
	s.conns = []*conn{{number: 1, in: in, net: c, reader: reader}}
	s.w.add(s)
	s.w.post(func() { s.w.expectGreeting(s) })
	s.enqueue(&abi.ConnOpen{Head: abi.Head{Conn: 1}, Listener: []byte(c.Listener()), Local: []byte(c.Local().String()), Remote: []byte(c.Remote().String()), TLS: flag(c.TLS())})
	reader.run()
}

// ServeExchange routes a request to its plugin and waits for the answer.
func (f *Front) ServeExchange(x *netio.Exchange) {
	q := x.Request
	m, ok := f.table.Load().MatchTyped(q.Method, q.URL.Path, q.UserAgent(), q.Header.Get("Content-Type"), func(p string) bool {
		return f.room.point(p) != nil || isPush(q.Method) && f.room.template(p) != ""
	})
	if h := f.other(q.Method, m, ok); h != nil {
		x.Serve(h)
		return
	}
	if !ok {
		f.nobody(x, m)
		return
	}
	r := f.room.Runner(m.Plugin)
	if r == nil {
		respond(x, excuse{text: "the plugin " + m.Plugin + " has just been removed"}.answer(manifest.Refusal{}))
		return
	}
	if no := r.refuses(x.Remote); no != nil {
		respond(x, no.answer(r.words()))
		return
	}
	user, ok := f.admit(x, r, m)
	if !ok {
		return
	}
	if m.Document != "" {
		f.serveDocument(x, r, m)
		return
	}
	if q.Method == http.MethodGet && r.grant.Load().attaches(m.Point) {
		f.room.hold(q.Context(), f.room.point(m.Point))
	}
	s, e := r.openExchange(x, m, user)
	left := q.Context().Done()
	if x.BodyKind() == netio.BodyToClose {
		left = nil // the peer's close is the body's end
	}
	if !e.await(left) {
		s.w.post(func() { s.w.end(s, "shutdown") }) // it may wait for what becomes of JOIN_KEY
		return
	}
	if out := e.out; out != nil {
		respond(x, *out)
	}
}

// isPush tells the methods by which encoders come, of which points may be made.
func isPush(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == "SOURCE"
}

// other gives the fallback for a request that is no plugin's: no route takes it, or one
// that names a point which is not there. A fallback with a method Takes can leave it to
// the plugin to refuse the request.
func (f *Front) other(method string, m manifest.Match, matched bool) http.Handler {
	h := f.fallback.Load()
	if h == nil || matched && (m.Known || m.Point == "") {
		return nil
	}
	if t, ok := (*h).(interface{ Takes(method string) bool }); ok && !t.Takes(method) && (matched || len(m.Allowed) > 0) {
		return nil
	}
	return *h
}

// peerLeft notes that a peer has ended its side of the connection. It may still want an
// answer to its request, but it is not waited for one. Worker.
func (w *worker) peerLeft(s *Session, x *exchange) {
	if s.links.x == x { // else it has a viewer, or another session has the request
		x.left = true
		w.endUnanswered(s)
	}
}

// endUnanswered ends an exchange whose peer has left, once its request was handled.
func (w *worker) endUnanswered(s *Session) {
	if x := s.links.x; x != nil && x.left && x.canAccept() && !s.hasQueued() {
		w.end(s, "peer_closed")
	}
}

func withHeader(a answer, h http.Header) answer {
	for k, v := range h {
		a.header[k] = v
	}
	return a
}

// respond sends an answer through net/http. Errors are the client's leaving.
func respond(x *netio.Exchange, a answer) {
	_ = x.Respond(a.status, a.header, [][]byte{a.body}, a.flags&(abi.ResponseClose|abi.ResponseReset) != 0)
}

// nobody answers a request that no plugin takes.
func (f *Front) nobody(x *netio.Exchange, m manifest.Match) {
	if len(m.Allowed) > 0 {
		a := textAnswer(http.StatusMethodNotAllowed, "this address takes "+strings.Join(m.Allowed, ", "))
		respond(x, withHeader(a, http.Header{"Allow": {strings.Join(m.Allowed, ", ")}}))
		return
	}
	respond(x, textAnswer(http.StatusNotFound, "nothing is at "+x.Request.URL.Path+" on this server"))
}

// openExchange opens a session for a request of a user; empty: nobody had to log in. Its
// links are the worker's.
func (r *Runner) openExchange(x *netio.Exchange, m manifest.Match, user string) (*Session, *exchange) {
	s := r.newPeer(kindExchange, x.Remote)
	s.on = m.Point
	s.connected(x.Listener)
	e := newExchange(x, s)
	s.link().x, s.link().user = e, user
	s.conns = plain
	s.w.post(func() {
		s.w.admit(s)
		if s.inbox.over.Load() || s.links.x != e || !e.canAccept() { // another session may have it
			return
		}
		s.w.expectAnswer(s, e)
	})
	q := r.request(x, m)
	q.User = []byte(user)
	s.enqueue(q)
	return s, e
}

// expectAnswer ends a session that leaves its request unanswered. Worker.
func (w *worker) expectAnswer(s *Session, x *exchange) {
	x.timer = w.timers.add(w.r.room.now().Add(answerTimeout), func() {
		if s.links.x == x && x.canAccept() {
			w.end(s, "timeout")
		}
	})
}

func flag(set bool) uint16 {
	if set {
		return 1
	}
	return 0
}

// copies gives pieces of one array, which is a single allocation for most requests.
type copies []byte

// usualCopies is how many bytes: chosen.
const usualCopies = 256

func (c *copies) of(s string) []byte {
	at := len(*c)
	*c = append(*c, s...)
	return (*c)[at:len(*c):len(*c)]
}

func (c *copies) address(a netip.AddrPort) []byte {
	at := len(*c)
	*c = a.AppendTo(*c)
	return (*c)[at:len(*c):len(*c)]
}

// usualFields is how many header fields most requests have: chosen.
const usualFields = 16

func (r *Runner) request(x *netio.Exchange, m manifest.Match) *abi.HTTPRequest {
	q, c := x.Request, make(copies, 0, usualCopies)
	e := &abi.HTTPRequest{
		Head:     abi.Head{Conn: 1},
		Route:    c.of(m.Route),
		Method:   c.of(q.Method),
		Path:     c.of(q.URL.Path),
		Query:    c.of(q.URL.RawQuery),
		Host:     c.of(q.Host),
		Proto:    uint16(q.ProtoMajor*10 + q.ProtoMinor),
		Body:     abi.BodyKind(x.BodyKind()),
		Listener: c.of(x.Listener),
		Local:    c.address(x.Local),
		Remote:   c.address(x.Remote),
	}
	e.Expect, e.TLS = flag(x.ExpectContinue()), flag(x.TLS())
	if q.ContentLength > 0 {
		e.Length = uint64(q.ContentLength)
	}
	names := make([]string, 0, usualFields)
	for name := range q.Header {
		names = append(names, name)
	}
	slices.Sort(names) // net/http has lost the order of the wire
	for _, name := range names {
		for _, v := range q.Header[name] {
			e.Fields.Add([]byte(name), []byte(v))
		}
	}
	if m.Point != "" {
		p := r.room.point(m.Point)
		if e.Point = summarize(p, m.Point, false, r.room.now()); p == nil {
			e.Point.Template = []byte(r.room.template(m.Point))
		}
	}
	return e
}
