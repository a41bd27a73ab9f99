package netio

import (
	"cmp"
	"container/list"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

// webConn is a connection on its way through the HTTP/1 server: it gives the bytes that
// sniffing took before those of the socket, and watches all that pass.
type webConn struct {
	stream
	prefix []byte
	watch  *framing // nil once it is hijacked
	claim  *claim   // of the first request, which is under way already; nil: none
}

func newWebConn(s stream, prefix []byte) *webConn {
	return &webConn{stream: s, prefix: prefix, watch: &framing{}}
}

func (c *webConn) Read(b []byte) (n int, err error) {
	if len(c.prefix) == 0 {
		n, err = c.Conn.Read(b)
	} else {
		n = copy(b, c.prefix)
		if c.prefix = c.prefix[n:]; len(c.prefix) == 0 {
			c.prefix = nil
		}
	}
	if c.watch != nil && n > 0 {
		if bad := c.watch.observe(b[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// ReadFrom lets the kernel copy a file to a plain connection.
func (c *webConn) ReadFrom(from io.Reader) (int64, error) {
	if c.secure == nil {
		return c.tcp.ReadFrom(from)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, from)
}

// secureConn is a webConn with TLS, of which net/http tells the requests.
type secureConn struct{ *webConn }

// ConnectionState is asked by net/http.
func (c secureConn) ConnectionState() tls.ConnectionState { return c.secure.ConnectionState() }

// web is the connection in what net/http calls one, if it is of HTTP/1.
func web(c net.Conn) *webConn {
	switch c := c.(type) {
	case *webConn:
		return c
	case secureConn:
		return c.webConn
	}
	return nil
}

// maxWaiting bounds the HTTP connections of one listener that wait for a request or for
// the rest of its head: chosen.
const maxWaiting = 8192

// waiting are the HTTP connections that are owed nothing, the longest waiting first. The
// zero value is ready.
type waiting struct {
	mu     sync.Mutex
	order  list.List // of waiter
	limit  int       // maxWaiting, but in tests
	places map[net.Conn]*list.Element
}

// waiter is a connection that waits, and since when.
type waiter struct {
	conn  net.Conn
	since time.Time
}

// enter notes that c waits, and gives the connection that must go for it, or nil.
func (w *waiting) enter(c net.Conn) (evicted net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.places == nil {
		w.places = make(map[net.Conn]*list.Element)
	}
	if w.places[c] != nil {
		return nil
	}
	if w.order.Len() >= cmp.Or(w.limit, maxWaiting) {
		evicted = w.pop()
	}
	w.places[c] = w.order.PushBack(waiter{c, time.Now()})
	return evicted
}

func (w *waiting) pop() net.Conn {
	c := w.order.Remove(w.order.Front()).(waiter).conn
	delete(w.places, c)
	return c
}

// evict takes out the longest waiting, if it has waited since before that time.
func (w *waiting) evict(before time.Time) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.order.Front(); e == nil || !e.Value.(waiter).since.Before(before) {
		return nil
	}
	return w.pop()
}

func (w *waiting) leave(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.places[c]; e != nil {
		w.order.Remove(e)
		delete(w.places, c)
	}
}

// unclaimed says that the first request was not found. It may be called for none.
func (c *webConn) unclaimed() {
	if c != nil && c.claim != nil {
		close(c.claim.found)
		c.claim = nil
	}
}
