package netio

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// errNotBack is why a connection cannot be given back to the HTTP server.
var errNotBack = errors.New("the connection is not the HTTP server's any more")

// GiveBack answers the request that c was hijacked from and gives the connection back to
// the HTTP server, so that the client may ask for more on it: with status, h (copied; nil
// is empty) and body, whose length it fills in. The body of the request, of known length,
// must have been read to its end. It does not block; the listener joins what it starts.
// After an error nothing was sent, and c is as it was: of a connection that is relayed, or
// whose client or listener wants it closed, say. Else c is at its end, as after Close.
func (x *Exchange) GiveBack(c *Conn, status int, h http.Header, body []byte) error {
	if err := checkHead(status, h); err != nil {
		return err
	}
	tcp, isPlain := c.sock.(*net.TCPConn)
	rest, ok := c.unread()
	if !ok || !isPlain || c.l.front == nil || c.l.retired.Load() || wantsClose(x.Request) {
		return errNotBack
	}
	b := appendHead(nil, x.Request, status, h, int64(len(body)))
	b = []byte(strings.Replace(string(b), "\r\nConnection: close\r\n", "\r\nConnection: Keep-Alive\r\n", 1)) // RFC 2068 19.7.1: HTTP/1.0 clients need it said
	if !hasNoBody(x.Request.Method, status) {
		b = append(b, body...)
	}
	c.finish(b, func() { c.giveBack(tcp, rest) })
	return nil
}

// giveBack hands the socket over once the answer is sent; rest is what was read of it.
func (c *Conn) giveBack(tcp *net.TCPConn, rest []byte) {
	o := &c.out
	o.mu.Lock()
	isOpen := o.state == stateClosing
	if isOpen {
		o.state = stateDetached
	}
	o.mu.Unlock()
	if !isOpen {
		return
	}
	_ = tcp.SetDeadline(time.Time{}) // fails for a closed connection, which the server notices
	if !c.l.front.serve(newWebConn(stream{Conn: tcp, tcp: tcp}, rest)) {
		tcp.Close()
	}
}

// unread gives what was read of the socket behind a body that was read to its end; false
// if it was not, or nobody can say where it ends. The socket is as it was before Hush.
func (c *Conn) unread() (rest []byte, ok bool) {
	if !c.in.mu.TryLock() { // somebody reads
		return nil, false
	}
	defer c.in.mu.Unlock()
	body, ok := c.in.body.(*lengthReader)
	if !ok || body.left > 0 {
		return nil, false
	}
	c.in.plain()
	return slices.Clone(c.in.left), true
}

// wantsClose tells whether a client asks for nothing behind a request (RFC 9112 9.3).
func wantsClose(r *http.Request) bool {
	says := func(what string) bool {
		for _, v := range r.Header["Connection"] {
			for token := range strings.SplitSeq(v, ",") {
				if strings.EqualFold(strings.TrimSpace(token), what) {
					return true
				}
			}
		}
		return false
	}
	return r.ProtoMajor != 1 || r.Close || says("close") || !r.ProtoAtLeast(1, 1) && !says("keep-alive")
}
