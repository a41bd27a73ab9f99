package netio

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// streamRelay carries between an HTTP/2 stream and a Conn that speaks HTTP/1: the
// request's body to the Conn, in the framing that the Exchange announces, and the
// response that the Conn's owner writes to the stream. It runs on the request's
// goroutine, and ends with either side.
type streamRelay struct {
	near  *net.UnixConn
	w     http.ResponseWriter
	r     *http.Request // its context ends with the stream alone
	kind  BodyKind
	reset atomic.Bool // the Conn was closed by a reset
}

// hijackStream gives a Conn in place of an HTTP/2 stream; the caller holds mu.
func (x *Exchange) hijackStream() (*Conn, error) {
	near, far, err := openPair()
	if err != nil {
		return nil, err
	}
	x.relay = &streamRelay{near: near, w: x.w, r: x.stream, kind: x.kind}
	context.AfterFunc(x.stream.Context(), func() { near.Close() }) // the stream's end, also by a handler's panic
	x.end()
	sock := &relayed{UnixConn: far}
	sock.hangUp = func(reset bool) {
		if reset {
			x.relay.reset.Store(true)
			near.Close()
		}
	}
	c := x.l.connOn(sock, far, nil)
	c.local, c.remote, c.secure = x.Local, x.Remote, true
	c.readBody(x.kind, x.Request.ContentLength)
	return c, nil
}

// run carries both ways; a response cut short resets the stream.
func (s *streamRelay) run() {
	var up sync.WaitGroup
	if s.kind != BodyNone {
		up.Go(s.up)
	}
	err := s.down()
	s.near.Close()
	s.r.Body.Close()
	up.Wait()
	if err != nil || s.reset.Load() {
		panic(http.ErrAbortHandler)
	}
}

// up carries the body. Its end is in the framing; an end before that closes the pair in
// this direction.
func (s *streamRelay) up() {
	to := io.WriteCloser(nopCloser{s.near})
	if s.kind == BodyChunked {
		to = httputil.NewChunkedWriter(s.near)
	}
	var buf growing
	for {
		n, err := s.r.Body.Read(buf.room())
		if n > 0 {
			if _, werr := to.Write(buf.take(n)); werr != nil {
				return
			}
		}
		if err == io.EOF {
			if to.Close() == nil && s.kind == BodyChunked {
				_, _ = io.WriteString(s.near, "\r\n") // no trailer
			}
			return
		}
		if err != nil {
			_ = s.near.CloseWrite()
			return
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// down carries the response.
func (s *streamRelay) down() error {
	in := bufio.NewReaderSize(s.near, leastRelayBytes)
	res, err := http.ReadResponse(in, s.r)
	for err == nil && res.StatusCode < http.StatusOK { // 100 Continue, which net/http has sent
		res, err = http.ReadResponse(in, s.r)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	h := s.w.Header()
	for name, values := range res.Header {
		if !isHopByHop(name) {
			h[name] = values
		}
	}
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"] = nil // net/http guesses where there is no entry
	}
	rc := http.NewResponseController(s.w)
	s.w.WriteHeader(res.StatusCode)
	var buf growing
	for {
		if err := rc.Flush(); err != nil {
			return err
		}
		_ = rc.SetWriteDeadline(time.Time{}) // of a stream it strikes whether or not there is something to write
		n, err := res.Body.Read(buf.room())
		_ = rc.SetWriteDeadline(time.Now().Add(relayStall))
		if n > 0 {
			if _, werr := s.w.Write(buf.take(n)); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// isHopByHop: RFC 9113 8.2.2.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// addresses are those of a request's connection.
func addresses(c net.Conn) (local, remote netip.AddrPort) {
	if c == nil {
		return local, remote
	}
	return addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
}
