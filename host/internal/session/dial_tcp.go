package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

// maxReaches is how many connections to other computers a session may have, those under
// way among them (spec.md 6.17; chosen: a source that follows redirects closes each).
const maxReaches = 8

// reach is a connection to another computer that DIAL opens.
type reach struct {
	options netio.DialOptions
	ask     *netio.Question // nil: the connection itself is wanted
	quit    context.CancelFunc

	mu   sync.Mutex
	out  *netio.Outgoing // nil: it is under way
	over bool
}

// hold keeps the connection once it stands. It reports false when nobody wants it any
// more, and closes it then.
func (x *reach) hold(out *netio.Outgoing) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		out.Close()
		return false
	}
	x.out = out
	return true
}

// writable gives the connection if WRITE may send on it, else nil.
func (x *reach) writable() *netio.Outgoing {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ask != nil || x.over {
		return nil
	}
	return x.out
}

// join waits until the connection is closed, if there has been one, and for what sends on it.
func (x *reach) join(r *readers) {
	x.mu.Lock()
	out := x.out
	x.mu.Unlock()
	if out != nil {
		r.join(out)
	}
}

func (x *reach) bytesOut() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.out == nil {
		return 0
	}
	return x.out.BytesOut()
}

func (x *reach) close(mode abi.CloseMode) {
	if x.quit != nil {
		x.quit()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	switch {
	case x.out == nil:
	case mode == abi.CloseReset:
		x.out.Reset()
	case mode == abi.CloseFlush:
		x.out.CloseAfterFlush()
	default:
		x.out.Close()
	}
}

// isReach tells the URLs whose host is another computer's.
func isReach(scheme string) bool {
	switch scheme {
	case "tcp", "tls", "http", "https":
		return true
	}
	return false
}

// reserveReach judges DIAL of another computer. Nothing is opened yet: that takes longer
// than a worker may wait.
func (b *batch) reserveReach(d *abi.Dial) (*reach, error) {
	u, port, err := parseReachURL(string(d.URL))
	if err != nil {
		return nil, err
	}
	r := b.s.r
	x := &reach{options: netio.DialOptions{Host: u.Hostname(), Port: port, Silence: time.Duration(d.Silence), Allows: r.dials}}
	switch {
	case d.Silence < 0:
		return nil, denyf(abi.EINVAL, "silence of %d ns", d.Silence)
	case d.Silence == 0:
		x.options.Silence = dialSilence
	}
	no := &netio.DeniedError{Host: x.options.Host}
	if a, notAddress := netip.ParseAddr(x.options.Host); notAddress == nil {
		no.To = netip.AddrPortFrom(a.Unmap(), port)
	}
	if r.grant.Load().Dial == nil || no.To.IsValid() && !r.dials(no.Host, no.To) { // the addresses of a name are judged when they are known
		return nil, deniedReach(no, port)
	}
	if u.Scheme == "tls" || u.Scheme == "https" {
		x.options.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		if x.ask, err = r.room.question(u, d); err != nil {
			return nil, err
		}
	}
	open := len(b.dials)
	for _, c := range b.s.conns {
		if c.out != nil && !c.closed {
			open++
		}
	}
	if open >= maxReaches {
		return nil, denyf(abi.ELIMIT, "a session may have %d connections to other computers", maxReaches)
	}
	return x, nil
}

// dials tells whether the plugin may connect to an address of a host.
func (r *Runner) dials(host string, to netip.AddrPort) bool {
	g := r.grant.Load()
	return g.Dial != nil && g.Dial("tcp", host, to)
}

// deniedReach says what is not granted, and how it would be.
func deniedReach(e *netio.DeniedError, port uint16) error {
	if !e.To.IsValid() {
		return denyf(abi.EPERM, "connecting to %s is not granted to this plugin in plugins.yaml (grant: dial: [\"tcp:%s:%d\"])", e.Host, bracketed(e.Host), port)
	}
	return denyf(abi.EPERM, "%v to this plugin in plugins.yaml (grant: dial: [\"tcp:%v\"])", e, e.To)
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// parseReachURL reads tcp://HOST:PORT, tls://HOST:PORT and HTTP's URLs (spec.md 6.17).
func parseReachURL(s string) (*url.URL, uint16, error) {
	bad := func(what string) (*url.URL, uint16, error) {
		return nil, 0, denyf(abi.EINVAL, "the URL %s; write for example http://encoder:8080/live or tcp://192.0.2.7:5000", what)
	}
	u, err := url.Parse(s)
	if err != nil {
		return bad("is none") // the error quotes it, and credentials with it
	}
	port := u.Port()
	switch {
	case u.User != nil:
		return bad("holds a user; send an Authorization field")
	case u.Opaque != "" || u.Fragment != "" || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "% "):
		return bad(strconv.Quote(s) + " names no host, or has a zone or a fragment")
	case u.Scheme == "http" && port == "":
		port = "80" // RFC 9110 4.2.1
	case u.Scheme == "https" && port == "":
		port = "443" // RFC 9110 4.2.2
	case (u.Scheme == "tcp" || u.Scheme == "tls") && (u.Path != "" || u.RawQuery != ""):
		return bad(strconv.Quote(s) + " goes on behind the port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return bad(strconv.Quote(s) + " has no port from 1 to 65535")
	}
	return u, uint16(n), nil
}

// reachOut begins to connect. Worker.
func (s *Session) reachOut(d dialed) {
	c := &conn{number: d.number, in: newInlet(s.markReady), out: d.reach}
	ctx, quit := context.WithCancel(context.Background())
	d.reach.quit = quit
	s.enter(c)
	s.r.room.readers.Go(func() {
		if err := s.connect(ctx, c.number, c.in, d.reach); err != nil {
			s.w.post(func() { s.w.unreached(s, c, err) })
		}
		quit()
		d.reach.join(&s.r.room.readers)
	})
}

// connect opens a connection and reads it to its end. An error means that it has never
// been told of. It has a goroutine of its own.
func (s *Session) connect(ctx context.Context, number uint32, in *inlet, x *reach) error {
	out, err := netio.Dial(ctx, x.options)
	if err != nil {
		return err
	}
	if !x.hold(out) {
		return nil
	}
	s.r.room.readers.enter(out)
	if x.ask == nil {
		s.enqueue(&abi.Dialed{Head: abi.Head{Conn: number}})
		pump(out, in)
		return nil
	}
	reply, err := netio.Ask(out, *x.ask)
	if err != nil {
		return err
	}
	s.enqueue(replied(number, reply))
	pump(reply.Body, in)
	return nil
}

// unreached tells the plugin that there is no connection, unless it has closed it
// meanwhile. Worker.
func (w *worker) unreached(s *Session, c *conn, err error) {
	if s.inbox.over.Load() || c.closed {
		return
	}
	c.close(abi.CloseNow)
	e := &abi.Dialed{Head: abi.Head{Conn: c.number}, Code: dialCode(err)}
	var no *netio.DeniedError
	if errors.As(err, &no) {
		err = deniedReach(no, c.out.options.Port)
		w.r.counts.refused.Add(1)
		w.r.room.metrics.Refused(w.r.name, abi.EPERM.String())
		w.r.log.Warn("connection not opened", "kind", abi.EPERM.String(), "why", err, "session", s.id, "point", s.on)
	}
	e.Text = []byte(reasonOf(err))
	s.enqueue(e)
	s.forgetClosed()
}

// reasonOf is an error's text without the names of calls that people need not know.
func reasonOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && op.Err != nil {
		var to string
		if op.Addr != nil {
			to = op.Addr.String() + ": "
		}
		return to + strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return err.Error()
}

// forgetClosed drops dialled connections that are closed, so that a session can dial as
// often as it likes. Worker, between events.
func (s *Session) forgetClosed() {
	isGone := func(c *conn) bool { return c.out != nil && c.closed }
	if slices.ContainsFunc(s.conns, isGone) {
		s.seat.mu.Lock()
		s.conns = slices.DeleteFunc(slices.Clone(s.conns), isGone)
		s.seat.mu.Unlock()
	}
}

// commitWriteOut sends on a connection to another computer.
func (b *batch) commitWriteOut(c *conn, bytes []byte) {
	s, to := b.s, c.out.writable()
	if to == nil {
		return // it was closed since reserve
	}
	switch err := to.TryWriteWithin(bytes, int(s.limits().Writes)); {
	case errors.Is(err, netio.ErrWriteOverflow):
		s.r.reach(writesBound)
		s.r.log.Info("write failed", "session", s.id, "peer", to.Remote().String(), "error", err)
		s.w.end(s, "write_overflow")
	case err != nil: // END is on its way
		s.r.log.Debug("write failed", "session", s.id, "peer", to.Remote().String(), "error", err)
	}
}

// goesOn closes a dialled connection whose END was answered, and reports whether the
// session has another (spec.md 8.1). Worker.
func (s *Session) goesOn(ended uint32) bool {
	others := false
	for _, c := range s.conns {
		switch {
		case c.number != ended:
			others = others || !c.closed
		case c.out != nil:
			c.close(abi.CloseFlush)
		}
	}
	if others {
		s.forgetClosed()
	}
	return others
}
