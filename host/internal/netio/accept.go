package netio

import (
	"errors"
	"net"
	"os"
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
		select {
		case <-l.stopped:
			return
		default:
		}
		l.counts.acceptErrors.Add(1)
		l.options.Log.Warn("accept failed", "listener", l.options.Name, "pause", pause, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-l.stopped:
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// admit starts to sniff c, if there is room.
func (l *Listener) admit(c *net.TCPConn) {
	if why, ok := l.sniffing.enter(c, l.options.SniffTimeout); !ok {
		l.dismiss(c, why)
		return
	}
	go l.sniff(c)
}

// sniff owns c until it is handed over.
func (l *Listener) sniff(c *net.TCPConn) {
	prefix, v := l.look(c)
	l.sniffing.leave(c)
	switch v.outcome {
	case OutcomeHTTP:
		c.SetReadDeadline(time.Time{})
		if !l.front.serve(&sniffedConn{TCPConn: c, prefix: prefix}) {
			l.dismiss(c, OutcomeClosing)
			break
		}
		l.counts.sniffed[OutcomeHTTP].Add(1)
	case OutcomeRaw:
		c.SetReadDeadline(time.Time{})
		l.counts.sniffed[OutcomeRaw].Add(1)
		l.sniffing.done()
		l.options.Handler.ServeRaw(l.newConn(c, prefix), v.plugin)
		return
	default:
		l.dismiss(c, v.outcome)
	}
	l.sniffing.done()
}

// look reads until the routes have a verdict that more bytes cannot better, or
// until the peer or the deadline ends the wait: then the best so far holds.
// SniffBytes always suffice, since no pattern reaches further.
func (l *Listener) look(c *net.TCPConn) (prefix []byte, v verdict) {
	buf := make([]byte, SniffBytes)
	n := 0
	for {
		m, err := c.Read(buf[n:])
		if m > 0 {
			v = l.routes.Load().scan(buf[:n+m], n)
			n += m
		}
		if v.decided && !v.more {
			return buf[:n], v
		}
		if err != nil {
			if !v.decided {
				v.outcome = l.undecided(err)
			}
			return buf[:n], v
		}
	}
}

// undecided names the end of a wait that gave no verdict.
func (l *Listener) undecided(err error) Outcome {
	select {
	case <-l.stopped:
		return OutcomeClosing
	default:
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return OutcomeTimeout
	}
	return OutcomePeerClosed
}

// dismiss closes a connection that nobody takes.
func (l *Listener) dismiss(c *net.TCPConn, why Outcome) {
	l.counts.sniffed[why].Add(1)
	l.options.Log.Debug("connection closed", "listener", l.options.Name, "peer", c.RemoteAddr(), "reason", why.String())
	c.Close()
}
