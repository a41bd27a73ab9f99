package netio

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// serveSlice is how much of a file the kernel is given to send under one deadline:
// chosen, so that a peer may be as slow as 9 KiB/s with the default timeout.
const serveSlice = 256 << 10

// TLS tells whether the request came over TLS.
func (x *Exchange) TLS() bool { return x.Request.TLS != nil }

// Serve lets a plain http.Handler answer: it blocks until that has. There is no bound on
// the whole, but each write of the answer must get somewhere within
// Options.WriteTimeout, each read of the body within Options.BodyTimeout. The handler may
// read while it writes, and may hijack an HTTP/1 connection. An Exchange that is answered
// already is left alone.
func (x *Exchange) Serve(h http.Handler) {
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		return
	}
	if x.viaServer() != nil {
		x.end()
		x.mu.Unlock()
		return
	}
	s := &serving{ResponseWriter: x.w, rc: http.NewResponseController(x.w), timeout: x.l.options.WriteTimeout}
	x.end()
	x.mu.Unlock()
	r := cmp.Or(x.known, x.Request)
	s.bodyTimeout = x.l.options.BodyTimeout
	if g, ok := r.Body.(*guardedBody); ok {
		r.Body = &servedBody{ReadCloser: g.body, s: s}
	}
	if r.ProtoMajor == 1 {
		_ = s.rc.EnableFullDuplex() // never fails for HTTP/1
	}
	if x.l.retired.Load() && r.Header.Get("Upgrade") == "" {
		s.Header().Set("Connection", "close")
	}
	h.ServeHTTP(s, r)
	s.over.Store(true)
	s.endBroken()
	if !s.hijacked && r.ProtoMajor == 1 { // for what net/http still writes, and reads of an unread body
		_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout))
		_ = s.rc.SetReadDeadline(time.Now().Add(s.bodyTimeout))
	}
}

// serving is a ResponseWriter whose deadlines follow the progress. It is the handler's
// goroutine's, but for reads of the body.
type serving struct {
	http.ResponseWriter
	rc                   *http.ResponseController
	timeout, bodyTimeout time.Duration
	hijacked             bool
	broken               atomic.Bool // the body ended early: what follows cannot be a request
	over                 atomic.Bool // the handler has returned
}

// Unwrap is for http.ResponseController.
func (s *serving) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// within runs a write under a deadline, and lifts it: HTTP/2 enforces one also while
// there is nothing to write.
func (s *serving) within(write func() error) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout))
	err := write()
	_ = s.rc.SetWriteDeadline(time.Time{})
	return err
}

// endBroken has the answer be the last on a connection with a broken body, unless its
// head is on its way.
func (s *serving) endBroken() {
	if s.broken.Load() {
		s.Header().Set("Connection", "close")
	}
}

// WriteHeader is http.ResponseWriter's.
func (s *serving) WriteHeader(status int) {
	s.endBroken()
	s.ResponseWriter.WriteHeader(status)
}

func (s *serving) Write(b []byte) (n int, err error) {
	s.endBroken()
	err = s.within(func() (err error) {
		n, err = s.ResponseWriter.Write(b)
		return err
	})
	return n, err
}

// Flush is http.Flusher's.
func (s *serving) Flush() { _ = s.FlushError() }

// FlushError is for http.ResponseController.
func (s *serving) FlushError() error { return s.within(s.rc.Flush) }

// ReadFrom lets the kernel copy, slice by slice, what comes from a file.
func (s *serving) ReadFrom(from io.Reader) (sum int64, err error) {
	to, ok := s.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{s}, from)
	}
	limited, ok := from.(*io.LimitedReader) // the kernel copies from a file under one limit, not two
	if !ok {
		limited = &io.LimitedReader{R: from, N: 1<<63 - 1}
	}
	for limited.N > 0 {
		slice := &io.LimitedReader{R: limited.R, N: min(limited.N, serveSlice)}
		var n int64
		err = s.within(func() (err error) {
			n, err = to.ReadFrom(slice)
			return err
		})
		sum += n
		limited.N -= n
		if err != nil || slice.N > 0 {
			break
		}
	}
	return sum, err
}

// Hijack is http.Hijacker's.
func (s *serving) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := s.rc.Hijack()
	if err != nil {
		return nil, nil, err
	}
	s.hijacked = true
	return &steadyConn{Conn: c, timeout: s.timeout}, rw, nil
}

// steadyConn is a hijacked connection whose peer must take what is written.
type steadyConn struct {
	net.Conn
	timeout time.Duration
}

func (c *steadyConn) Write(b []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.timeout))
	return c.Conn.Write(b)
}

// CloseWrite ends the sending side.
func (c *steadyConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// servedBody is a request's body whose sender must not fall silent. The deadline is lifted
// after each read: it would also end the watch for the peer's leaving, or the stream. It
// stays after an error, and while the body is closed, since net/http then reads the rest.
type servedBody struct {
	io.ReadCloser
	s       *serving
	closing atomic.Bool
}

func (b *servedBody) Read(p []byte) (int, error) {
	b.limit()
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.s.broken.Store(true)
		return n, err
	}
	b.lift()
	return n, err
}

// Close may come while another goroutine reads, and after the handler has returned.
func (b *servedBody) Close() error {
	b.closing.Store(true)
	if !b.s.broken.Load() {
		b.limit()
	}
	err := b.ReadCloser.Close()
	b.closing.Store(false)
	if !b.s.broken.Load() {
		b.lift()
	}
	return err
}

func (b *servedBody) limit() { _ = b.s.rc.SetReadDeadline(time.Now().Add(b.s.bodyTimeout)) }

func (b *servedBody) lift() {
	_ = b.s.rc.SetReadDeadline(time.Time{})
	if b.closing.Load() || b.s.over.Load() { // since the call began
		b.limit()
	}
}
