package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// The pause after a failed accept (no descriptors left) doubles from the first
// to the last, as net/http's does.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// acceptLoop owns one listening socket's queue.
func (l *Listener) acceptLoop(s *net.TCPListener) {
	pause := minAcceptPause
	for {
		c, err := s.AcceptTCP()
		if err == nil {
			pause = minAcceptPause
			l.counts.accepted.Add(1)
			l.admit(c)
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) { // Retire
			return
		}
		select {
		case <-l.stopped:
			return
		default:
		}
		wait := minAcceptPause
		if !exhausted(err) || queued(s) {
			l.counts.acceptErrors.Add(1)
			if exhausted(err) && l.makeRoom() {
				continue
			}
			l.options.Log.Warn("accept failed", "listener", l.options.Name, "pause", pause, "error", err)
			wait, pause = pause, min(2*pause, maxAcceptPause)
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.stopped:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// admit starts to sniff c, if there is room.
func (l *Listener) admit(c *net.TCPConn) {
	in := l.sniffing.enter(c, l.options.SniffTimeout)
	if in == nil {
		l.dismiss(c, OutcomeClosing)
		return
	}
	go l.sniff(in)
}

// sniff owns a connection until it is handed over.
func (l *Listener) sniff(in *sniffed) {
	l.busy.Add(1)
	defer l.busy.Add(-1)
	defer l.sniffing.done()
	c := stream{Conn: in.tcp, tcp: in.tcp}
	if l.options.TLS != nil {
		var why Outcome
		if c.secure, why = l.handshake(in); why != OutcomeHTTP {
			l.handOver(in, c, nil, verdict{outcome: why})
			return
		}
		c.Conn = c.secure
		l.sniffing.extend(in, l.options.SniffTimeout)
	}
	buf := lookBuffers.Get().(*[directBytes]byte)
	defer lookBuffers.Put(buf)
	prefix, v := l.look(in, c, buf[:])
	l.handOver(in, c, prefix, v)
}

// lookBuffers are for look.
var lookBuffers = sync.Pool{New: func() any { return new([directBytes]byte) }}

// handOver gives a connection to whom the verdict says, or ends it. What was read of it is
// valid during the call.
func (l *Listener) handOver(in *sniffed, c stream, prefix []byte, v verdict) {
	if v.outcome == OutcomeRTSP {
		l.sayGoodbye(in, c, refuseRTSP(prefix))
	}
	l.sniffing.leave(in)
	c.tcp.SetDeadline(time.Time{})
	switch v.outcome {
	case OutcomeHTTP:
		if c.secure == nil && l.front.direct(c.tcp, prefix) {
			break
		}
		if !l.front.serve(newWebConn(c, slices.Clone(prefix))) {
			l.dismiss(c, OutcomeClosing)
			return
		}
	case OutcomeHTTP2:
		_ = c.tcp.SetWriteBuffer(http2SendBytes)
		if !l.front.serve2(c.secure) {
			l.dismiss(c, OutcomeClosing)
			return
		}
	case OutcomeRaw:
		l.serveRaw(c, slices.Clone(prefix), v.plugin)
	default:
		l.dismiss(c, v.outcome)
		return
	}
	l.counts.sniffed[v.outcome].Add(1)
}

// serveRaw gives a connection to its plugin, on a goroutine that nobody joins.
func (l *Listener) serveRaw(c stream, prefix []byte, plugin string) {
	var conn *Conn
	if c.secure == nil {
		conn = l.newConn(c.tcp, prefix)
	} else {
		var err error
		if conn, err = l.newSecure(c.secure, c.tcp, prefix); err != nil {
			l.options.Log.Warn("connection lost", "listener", l.options.Name, "error", err)
			return
		}
	}
	go l.options.Handler.ServeRaw(conn, plugin)
}

// look reads until the routes have a verdict that more bytes cannot better, or
// until the peer or the deadline ends the wait: then the best so far holds.
// SniffBytes always suffice, since no pattern reaches further; buf holds more.
func (l *Listener) look(in *sniffed, c stream, buf []byte) (prefix []byte, v verdict) {
	n := 0
	for {
		m, err := c.Read(buf[n:])
		if m > 0 {
			v = l.routes.Load().scan(buf[:min(n+m, SniffBytes)], n)
			n += m
		}
		if v.decided && !v.more {
			return buf[:n], v
		}
		if err != nil {
			if !v.decided {
				v.outcome = l.undecided(in, err)
			}
			return buf[:n], v
		}
	}
}

// undecided names the end of a wait that gave no verdict.
func (l *Listener) undecided(in *sniffed, err error) Outcome {
	select {
	case <-l.stopped:
		return OutcomeClosing
	default:
	}
	switch {
	case in.evicted.Load():
		return OutcomeBusy
	case errors.Is(err, os.ErrDeadlineExceeded):
		return OutcomeTimeout
	}
	return OutcomePeerClosed
}

// sayGoodbye answers a connection that nobody takes and waits for the peer to read it,
// as CloseAfterFlush does.
func (l *Listener) sayGoodbye(in *sniffed, c net.Conn, text []byte) {
	l.sniffing.extend(in, lingerTime)
	if _, err := c.Write(text); err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, maxFarewell))
}

// maxFarewell is how much of a refused peer's input is read, at most: chosen, above
// what a client sends before it looks for an answer.
const maxFarewell = 64 << 10

// dismiss closes a connection that nobody takes.
func (l *Listener) dismiss(c net.Conn, why Outcome) {
	l.counts.sniffed[why].Add(1)
	l.options.Log.Debug("connection closed", "listener", l.options.Name, "peer", c.RemoteAddr(), "reason", why.String())
	c.Close()
}
