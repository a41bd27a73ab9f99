package netio

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
)

// Moved is a Conn on its way to another process, but for its descriptor.
type Moved struct {
	Listener      string
	Local, Remote netip.AddrPort
	Kind          BodyKind
	Left          int64 // of BodyLength: bytes to come
	Chunks        ChunkState
	Unread        []byte // read from the peer and not from the Conn; raw, from anywhere in the body's framing
	In, Out       uint64 // bytes, as BytesIn and BytesOut
}

// ErrStays is in the error of Pack for a connection that cannot be moved.
var ErrStays = errors.New("the connection stays")

// Pack describes the connection for another process and gives its descriptor, which is
// the caller's to close. Nobody may read or write meanwhile, or afterwards unless the
// move is given up: the Conn is unchanged. Close leaves the peer's connection open as
// long as another process has it.
func (c *Conn) Pack() (Moved, *os.File, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	switch {
	case c.out.state != stateOpen:
		return Moved{}, nil, fmt.Errorf("pack connection: %w", net.ErrClosed)
	case c.secure || !isTCP(c.sock):
		return Moved{}, nil, fmt.Errorf("%w: it is relayed by this process", ErrStays)
	case len(c.out.pending) > 0 || c.out.inFlight > 0:
		return Moved{}, nil, fmt.Errorf("%w: it has output to send", ErrStays)
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.plain()
	m := Moved{Listener: c.l.options.Name, Local: c.local, Remote: c.remote, Unread: slices.Clone(c.in.left),
		In: c.in.bytes.Load(), Out: c.out.bytes.Load()}
	switch body := c.in.body.(type) {
	case nil:
	case *lengthReader:
		m.Kind, m.Left = BodyLength, body.left
	case *chunkReader:
		m.Kind, m.Chunks = BodyChunked, body.state
		m.Chunks.Line = slices.Clone(body.state.Line)
		ahead, _ := c.in.ahead.Peek(c.in.ahead.Buffered())
		m.Unread = append(slices.Clone(ahead), m.Unread...)
		m.In -= uint64(len(ahead)) // they are counted again
	default:
		return Moved{}, nil, fmt.Errorf("%w: its body is read by a %T", ErrStays, body)
	}
	fd, err := duplicate(c.raw)
	if err != nil {
		return Moved{}, nil, fmt.Errorf("pack connection: %w", err)
	}
	return m, os.NewFile(uintptr(fd), "moved"), nil
}

func isTCP(s socket) bool {
	_, ok := s.(*net.TCPConn)
	return ok
}

// Home gives a Listener without sockets, to which connections from another process
// belong. Close it after them.
func Home(name string, log *slog.Logger) *Listener {
	return &Listener{options: Options{Name: name, Log: log}.withDefaults(), stopped: make(chan struct{})}
}

// Adopt makes a Conn of what another process has packed. The descriptor is the Conn's, also
// on an error.
func (l *Listener) Adopt(m Moved, f *os.File) (*Conn, error) {
	nc, err := net.FileConn(f)
	_ = f.Close() // FileConn made a duplicate
	if err != nil {
		return nil, fmt.Errorf("adopt connection: %w", err)
	}
	sock, ok := nc.(*net.TCPConn)
	if !ok {
		nc.Close()
		return nil, fmt.Errorf("adopt connection: it is a %T", nc)
	}
	c := l.newConn(sock, m.Unread)
	c.local, c.remote = m.Local, m.Remote
	c.in.bytes.Store(m.In)
	c.out.bytes.Store(m.Out)
	switch m.Kind {
	case BodyLength:
		c.in.body = &lengthReader{input: &c.in, left: m.Left}
	case BodyChunked:
		c.in.ahead = bufio.NewReaderSize(&c.in, entityBuffer)
		c.in.body = &chunkReader{in: c.in.ahead, state: m.Chunks}
	}
	return c, nil
}

// MovedRequest is what a hijacked Exchange needs for its answer in another process.
type MovedRequest struct {
	Method       string
	Major, Minor int // HTTP version
	Kind         BodyKind
	Local        netip.AddrPort
	Remote       netip.AddrPort
}

// Pack describes an Exchange that was hijacked.
func (x *Exchange) Pack() MovedRequest {
	q := x.Request
	return MovedRequest{Method: q.Method, Major: q.ProtoMajor, Minor: q.ProtoMinor, Kind: x.kind, Local: x.Local, Remote: x.Remote}
}

// AdoptExchange makes the Exchange that was packed. It can only be asked for the head of
// its answer.
func (l *Listener) AdoptExchange(m MovedRequest) *Exchange {
	done := make(chan struct{})
	close(done)
	q := &http.Request{Method: m.Method, ProtoMajor: m.Major, ProtoMinor: m.Minor, Header: http.Header{}}
	return &Exchange{Request: q, Listener: l.options.Name, Local: m.Local, Remote: m.Remote, l: l, kind: m.Kind, over: true, done: done}
}
