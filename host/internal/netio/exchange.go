package netio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// ErrAnswered is the error of an Exchange that was already answered, hijacked,
// or given up by its handler.
var ErrAnswered = errors.New("exchange already answered")

// ErrBodyRead is the error of a Hijack after Request.Body was read: what the
// body's reader holds could not be handed on.
var ErrBodyRead = errors.New("request body already read")

// Exchange is one HTTP request and the chance to answer it once. Respond and
// Hijack may be called by any goroutine while ServeExchange blocks.
type Exchange struct {
	// Request's Body may be read by one goroutine, unless the Exchange is
	// hijacked; each read has Options.BodyTimeout, and the first makes net/http
	// send 100 Continue where the client waits for it.
	Request  *http.Request
	Listener string
	Local    netip.AddrPort // what the client dialled
	Remote   netip.AddrPort

	l    *Listener
	kind BodyKind
	wait bool // the client expects 100 Continue

	mu sync.Mutex
	carrier
	bodyRead bool // a read of the body was begun
	bodyDone bool // the body was read to its end
	over     bool
	done     chan struct{}
}

// carrier is how an Exchange is answered.
type carrier struct {
	w      http.ResponseWriter // nil while net/http does not know of the request
	known  *http.Request       // as it knows it, if Request was not made by it
	stream *http.Request       // of HTTP/2: with its own body, and the context that ends with the client alone
	relay  *streamRelay        // of HTTP/2, hijacked
	direct *direct             // if Request was not made by net/http
}

// newExchange makes the Exchange of a request that came over c.
func newExchange(l *Listener, w http.ResponseWriter, r *http.Request, c net.Conn) *Exchange {
	x := &Exchange{
		Request:  r,
		Listener: l.options.Name,
		l:        l,
		kind:     bodyKind(r),
		wait:     expectsContinue(r),
		carrier:  carrier{w: w},
		done:     make(chan struct{}),
	}
	if r.ProtoMajor == 2 {
		x.stream = r.WithContext(r.Context())
	}
	x.Local, x.Remote = addresses(c)
	r.Body = &guardedBody{x: x, body: r.Body}
	return x
}

// BodyKind says how the end of the request's body is known.
func (x *Exchange) BodyKind() BodyKind { return x.kind }

// ExpectContinue tells whether the client waits for 100 Continue before it
// sends the body. After Hijack, Conn.Continue sends it.
func (x *Exchange) ExpectContinue() bool { return x.wait }

// AnswersFirst tells whether the client wants its answer before it sends the
// body. After Hijack, Conn.Continue sends it, and nothing else may follow.
func (x *Exchange) AnswersFirst() bool { return answersFirst(x.Request, x.kind) }

// Done is closed once the request is answered, hijacked, or its handler has
// returned.
func (x *Exchange) Done() <-chan struct{} { return x.done }

// end marks x as settled; the caller holds mu.
func (x *Exchange) end() {
	x.over = true
	x.w = nil
	close(x.done)
}

// finish runs when the handler has returned.
func (x *Exchange) finish() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		_ = x.respond(http.StatusInternalServerError, nil, nil, true) // a peer that is gone is noticed by the connection
		x.end()
	}
}

// Respond answers with status 200 to 599, h (copied; nil is empty) and the
// pieces of body, whose length it fills in. A HEAD request gets no body, nor do
// 204 and 304. closeAfter ends the connection, and so does a body not read to
// its end. If that is of unknown or great length and nobody has read of it, the
// connection is taken from the HTTP server and closed after the answer: with a
// reset if status is an error and the client is sending (Conn.Reject), since an
// encoder that never reads answers notices nothing else.
//
// An error before anything was sent (status or header refused) leaves the
// exchange open. Respond may block for Options.WriteTimeout.
func (x *Exchange) Respond(status int, h http.Header, body [][]byte, closeAfter bool) error {
	if err := checkHead(status, h); err != nil {
		return fmt.Errorf("respond: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return fmt.Errorf("respond: %w", ErrAnswered)
	}
	if x.floods() {
		return x.respondAndDrop(status, h, body)
	}
	err := x.respond(status, h, body, closeAfter || x.l.retired.Load())
	x.end()
	if err != nil {
		return fmt.Errorf("respond: %w", err)
	}
	return nil
}

// maxIgnoredBody is the longest unread body over which net/http keeps a
// connection (its maxPostHandlerReadBytes).
const maxIgnoredBody = 256 << 10

// floods tells whether an unread body stands in the way of an answer: net/http
// would first read up to maxIgnoredBody of it, at an encoder's pace.
func (x *Exchange) floods() bool {
	if x.bodyRead || x.Request.ProtoMajor == 2 {
		return false
	}
	return x.kind == BodyChunked || x.kind == BodyToClose || x.Request.ContentLength > maxIgnoredBody
}

// respond answers through net/http; the caller holds mu.
func (x *Exchange) respond(status int, h http.Header, body [][]byte, closeAfter bool) error {
	if err := x.viaServer(); err != nil {
		return err
	}
	to := x.w.Header()
	fill(to, x.Request.Method, status, h, size(body))
	if len(to["Content-Type"]) == 0 {
		to["Content-Type"] = nil // net/http guesses where there is no entry
	}
	rc := http.NewResponseController(x.w)
	now := time.Now()
	if err := rc.SetWriteDeadline(now.Add(x.l.options.WriteTimeout)); err != nil {
		return err
	}
	if !x.bodyDone && (x.kind == BodyLength || x.kind == BodyChunked) {
		// net/http reads the rest of a body before it answers, at the client's
		// pace, unless the connection ends with this answer: then afterwards.
		closeAfter = true
		if err := rc.SetReadDeadline(now.Add(x.l.options.BodyTimeout)); err != nil {
			return err
		}
	}
	if x.Request.ProtoMajor == 2 { // a stream ends with its answer, the connection is others' too
		for name := range to {
			if isHopByHop(name) {
				delete(to, name)
			}
		}
		if x.l.retired.Load() { // net/http turns it into GOAWAY
			to.Set("Connection", "close")
		}
	} else if closeAfter {
		to.Set("Connection", "close")
	}
	x.w.WriteHeader(status)
	if !hasNoBody(x.Request.Method, status) {
		for _, piece := range body {
			if _, err := x.w.Write(piece); err != nil {
				return err
			}
		}
	}
	return rc.Flush()
}

// respondAndDrop answers outside of net/http and gives the connection up; the
// caller holds mu.
func (x *Exchange) respondAndDrop(status int, h http.Header, body [][]byte) error {
	b := appendHead(nil, x.Request, status, h, size(body))
	if !hasNoBody(x.Request.Method, status) {
		b = append(b, bytes.Join(body, nil)...)
	}
	c, err := x.hijack()
	if err != nil {
		return fmt.Errorf("respond: %w", err)
	}
	if status >= http.StatusBadRequest && !x.wait {
		c.Reject(b)
		return nil
	}
	c.closeWith(b)
	return nil
}

// Hijack takes the connection from the HTTP server, with nothing answered. The
// Conn gives the request's body, or without one the raw input that follows the
// request. The caller owns and closes it; the handler should return soon.
func (x *Exchange) Hijack() (*Conn, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.over:
		return nil, fmt.Errorf("hijack: %w", ErrAnswered)
	case x.bodyRead:
		return nil, fmt.Errorf("hijack: %w", ErrBodyRead)
	}
	c, err := x.hijack()
	if err != nil {
		return nil, fmt.Errorf("hijack: %w", err)
	}
	return c, nil
}

// hijack: the caller holds mu. Whatever it returns, x is settled.
func (x *Exchange) hijack() (*Conn, error) {
	switch {
	case x.Request.ProtoMajor == 2:
		return x.hijackStream()
	case x.direct != nil && x.direct.claim == nil:
		x.end()
		return x.l.newConnAt(x.direct.tcp, x.Local, x.Remote), nil
	case x.w == nil:
		x.end()
		return nil, net.ErrClosed
	}
	nc, rw, err := http.NewResponseController(x.w).Hijack()
	x.end()
	if err != nil {
		return nil, err
	}
	sc := web(nc)
	if sc == nil {
		nc.Close()
		return nil, fmt.Errorf("connection of type %T", nc)
	}
	buffered, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		nc.Close()
		return nil, err
	}
	left := make([]byte, 0, len(buffered)+len(sc.prefix))
	left = append(append(left, buffered...), sc.prefix...)
	var c *Conn
	if sc.secure == nil {
		c = x.l.newConn(sc.tcp, left)
	} else if c, err = x.l.newSecure(sc.secure, sc.tcp, left); err != nil {
		return nil, err
	}
	c.readBody(x.kind, x.Request.ContentLength)
	switch {
	case x.wait:
		c.awaited = goOn
	case x.AnswersFirst():
		c.awaited = goSource
	}
	return c, nil
}

// guardedBody is Request.Body: it knows whether it was read, stops at Hijack,
// and lets no read wait longer than Options.BodyTimeout.
type guardedBody struct {
	x    *Exchange
	body io.ReadCloser
}

func (g *guardedBody) Read(b []byte) (int, error) {
	x := g.x
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	x.bodyRead = true
	err := http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(x.l.options.BodyTimeout))
	x.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := g.body.Read(b)
	if errors.Is(err, io.EOF) {
		x.mu.Lock()
		x.bodyDone = true
		x.mu.Unlock()
	}
	return n, err
}

func (g *guardedBody) Close() error { return g.body.Close() }

func size(pieces [][]byte) (n int64) {
	for _, p := range pieces {
		n += int64(len(p))
	}
	return n
}
