package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
)

// stream is a connection that has been accepted: TCP, or TLS on it.
type stream struct {
	net.Conn
	tcp    *net.TCPConn
	secure *tls.Conn // nil without TLS
}

// CloseWrite ends the sending side, of both layers.
func (s stream) CloseWrite() error {
	if s.secure != nil {
		if err := s.secure.CloseWrite(); err != nil {
			return err
		}
	}
	return s.tcp.CloseWrite()
}

// plainOnTLS answers a browser that was sent to a TLS port without TLS.
var plainOnTLS = []byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 22\r\n" +
	"Connection: close\r\n\r\nthis port speaks TLS\r\n")

// handshake makes c speak TLS: OutcomeHTTP2 if the client has chosen that, OutcomeHTTP
// if it is still to show what it speaks. With any other outcome there is nothing more to
// be had from it.
func (l *Listener) handshake(in *sniffed) (*tls.Conn, Outcome) {
	c := tls.Server(in.tcp, l.options.TLS.config)
	err := c.HandshakeContext(context.Background()) // the deadline is the connection's
	var header tls.RecordHeaderError
	switch {
	case err == nil && c.ConnectionState().NegotiatedProtocol == "h2" && l.front != nil:
		return c, OutcomeHTTP2
	case err == nil:
		return c, OutcomeHTTP
	case errors.As(err, &header) && header.Conn != nil:
		if looksLikeHTTP(header.RecordHeader) && l.front != nil {
			l.sayGoodbye(in, in.tcp, plainOnTLS)
		}
		return nil, OutcomePlain
	case in.evicted.Load(), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, l.undecided(in, err)
	}
	l.options.Log.Debug("tls handshake failed", "listener", l.options.Name, "peer", in.tcp.RemoteAddr(), "error", err)
	return nil, OutcomeHandshake
}

// looksLikeHTTP: five letters of a method, or of a shorter one with what follows it.
func looksLikeHTTP(b [5]byte) bool {
	for i, c := range b {
		if c == ' ' && i >= 3 {
			return true
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}
