package session

import (
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

// exchange is the HTTP side of a session. The request's goroutine waits on done; the
// worker answers, accepts or hijacks.
type exchange struct {
	x    *netio.Exchange
	conn *netio.Conn // once the body was accepted
	head *answer     // of a viewer, between HTTP_RESPONSE and ATTACH
	out  *answer     // what the request's goroutine is to send
	over bool
	done chan struct{}

	body  bool   // accepted and not published
	left  bool   // the peer has ended its side of the connection; the worker's
	timer uint64 // ends an exchange that its plugin leaves unanswered

	owner atomic.Pointer[Session] // whose it is, or will be
	given chan struct{}           // the owner has changed; of capacity 1
	gone  atomic.Bool             // as left, for the next owner
}

// newExchange makes the exchange of a request, which is a session's.
func newExchange(x *netio.Exchange, s *Session) *exchange {
	e := &exchange{x: x, done: make(chan struct{}), given: make(chan struct{}, 1)}
	e.owner.Store(s)
	return e
}

// give names another session as the owner, whose worker has it from then on.
func (x *exchange) give(to *Session) {
	x.owner.Store(to)
	select {
	case x.given <- struct{}{}:
	default:
	}
}

// await waits until the exchange is answered, accepted or hijacked, and tells its owner
// when the peer has left. It reports false when nobody will.
func (x *exchange) await(left <-chan struct{}) bool {
	for {
		s := x.owner.Load()
		select {
		case <-x.done:
			return true
		case <-x.given:
		case <-left:
			left = nil
			x.gone.Store(true) // before the owner is asked for: the next one looks
			s = x.owner.Load()
			s.w.post(func() { s.w.peerLeft(s, x) })
		case <-s.w.done:
			if x.owner.Load() == s {
				return false
			}
		}
	}
}

// answer is an HTTP response with all its bytes copied.
type answer struct {
	status int
	header http.Header
	body   []byte
	flags  abi.ResponseFlags
}

// isOpen reports whether the exchange, if there is one, can still be answered.
func (x *exchange) isOpen() bool { return x != nil && !x.over }

// asks reports whether a request is to be told of, or waits for its answer. Worker.
func (s *Session) asks() bool { return s.links.x != nil && s.links.x.canAccept() }

func (x *exchange) canAccept() bool { return !x.over && x.conn == nil }

// answer sends a response: through net/http while it has the request, else on the
// hijacked connection.
func (x *exchange) answer(a answer) {
	if x.over {
		return
	}
	x.over = true
	if x.conn == nil {
		x.out = &a
		close(x.done)
		return
	}
	if x.isAnswered() {
		x.hangUp(a.flags)
		return
	}
	if a.flags&(abi.ResponseReset|abi.ResponseClose) == 0 && x.x.GiveBack(x.conn, a.status, a.header, a.body) == nil {
		return
	}
	b, err := x.x.Head(a.status, a.header, int64(len(a.body)))
	if err != nil {
		x.conn.Close()
		return
	}
	b = append(b, a.body...)
	if a.flags&abi.ResponseReset != 0 {
		x.conn.Reject(b)
		return
	}
	if x.conn.TryWrite(b) != nil {
		x.conn.Close()
		return
	}
	x.conn.CloseAfterFlush()
}

// isAnswered reports whether the peer had its status line when its body was accepted:
// nothing else may be said to it.
func (x *exchange) isAnswered() bool { return x.conn != nil && x.x.AnswersFirst() }

// hangUp ends an exchange that is answered, in the way of the answer that would be its second.
func (x *exchange) hangUp(how abi.ResponseFlags) {
	if how&abi.ResponseReset != 0 {
		x.conn.Reject(nil)
		return
	}
	x.conn.CloseAfterFlush()
}

// textAnswer is an answer in the plugin's place that is no refusal.
func (r *Runner) textAnswer(status int, text string) answer {
	a := textAnswer(status, text)
	callItself(a.header, r.words())
	return a
}

func textAnswer(status int, text string) answer {
	h := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	return answer{status: status, header: h, body: []byte(text + "\n"), flags: abi.ResponseClose | abi.ResponseReset}
}

// abandon ends an exchange that nobody has answered.
func (x *exchange) abandon() {
	if x.over {
		return
	}
	x.over = true
	if x.conn != nil {
		x.conn.Close()
		return
	}
	close(x.done)
}

// hijack takes the connection from the HTTP server.
func (x *exchange) hijack() error {
	c, err := x.x.Hijack()
	if err != nil {
		return err
	}
	x.conn = c
	close(x.done)
	return nil
}

// accept takes the request's body: it becomes the input of the session's connection.
func (x *exchange) accept(s *Session) {
	if !s.r.takeBody(x) { // before the connection is taken: it may still be answered in words
		x.answer(excuse{text: "the plugin " + s.r.name + " takes no more uploads at present"}.answer(s.r.words()))
		s.w.end(s, "answered")
		return
	}
	if err := x.hijack(); err != nil {
		s.w.end(s, "peer_closed")
		return
	}
	if err := x.conn.Continue(); err != nil {
		s.w.end(s, "peer_closed")
		return
	}
	c := &conn{number: s.conns[0].number, net: x.conn}
	s.conns = slices.Concat([]*conn{c}, s.conns[1:])
	c.in = newInlet(s.markReady)
	c.reader = newIntake(c.net, c.in, s.r.room.silence(s.on))
	s.r.room.readers.Go(c.reader.run)
}

// readSize is how much one read asks for (chosen: a fast encoder's 5 ms).
const readSize = 64 << 10

// silence is how long the encoder of a point may send nothing before it counts as gone:
// as long as viewers would wait for the next, within bounds.
func (room *Room) silence(name string) time.Duration {
	most := room.limits.mostSilence
	if p := room.point(name); p != nil {
		return min(most, max(p.Options().Grace, room.limits.leastSilence))
	}
	return most
}
