package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// Conn is one side of a take-over connection. One goroutine at a time reads, one writes; Close may be called by any.
type Conn struct {
	sock  *net.UnixConn
	in    []byte // received; in[at:have] is not taken yet
	at    int
	have  int
	oob   []byte
	files []*os.File // received, in order, of frames not taken yet
	out   []byte
}

const (
	readBytes  = 256 << 10 // chosen: a few batches of packets
	writeBytes = 64 << 10  // chosen: below the socket's buffer
	// writeTimeout is how long the other side may take nothing before it counts as dead. Chosen: longer than any pause of a living process.
	writeTimeout = 20 * time.Second
)

// NewConn makes a Conn of a connected socket, which it owns.
func NewConn(sock *net.UnixConn) *Conn {
	return &Conn{sock: sock, in: make([]byte, readBytes), oob: make([]byte, syscall.CmsgSpace(4*MaxFiles))}
}

// SetReadDeadline bounds Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.sock.SetReadDeadline(t) }

// Close ends the connection and a blocked Read or Write.
func (c *Conn) Close() error { return c.sock.Close() }

// CloseFiles closes descriptors that came and that no frame has named. Nobody may read any more.
func (c *Conn) CloseFiles() {
	for _, f := range c.files {
		_ = f.Close()
	}
	c.files = nil
}

// Read gives the next frame. io.EOF: the other side has closed.
func (c *Conn) Read() (Frame, error) {
	for {
		h, ok, err := parseHead(c.in[c.at:c.have])
		if err != nil {
			return Frame{}, err
		}
		if ok && c.have-c.at >= headBytes+h.body {
			return c.take(h)
		}
		need := headBytes
		if ok {
			need += h.body
		}
		if err := c.fill(need); err != nil {
			return Frame{}, err
		}
	}
}

func (c *Conn) take(h head) (Frame, error) {
	if h.files > len(c.files) {
		return Frame{}, fmt.Errorf("%w: %v names %d descriptors, %d came", errFrame, h.kind, h.files, len(c.files))
	}
	body := c.in[c.at+headBytes : c.at+headBytes+h.body]
	c.at += headBytes + h.body
	f := Frame{Kind: h.kind, Stream: h.stream, Body: body}
	if h.files > 0 {
		f.Files = slices.Clone(c.files[:h.files])
		c.files = slices.Delete(c.files, 0, h.files)
	}
	return f, nil
}

// fill receives more; need is what the frame at hand takes in all.
func (c *Conn) fill(need int) error {
	if c.at > 0 {
		c.have = copy(c.in, c.in[c.at:c.have])
		c.at = 0
	}
	switch {
	case need > len(c.in):
		c.in = append(c.in, make([]byte, need-len(c.in))...)
	case c.have == 0 && len(c.in) > 4*readBytes:
		c.in = make([]byte, readBytes) // a large frame was an exception
	}
	n, oobn, flags, _, err := c.sock.ReadMsgUnix(c.in[c.have:], c.oob)
	if oobn > 0 {
		if e := c.keep(c.oob[:oobn]); e != nil {
			return e
		}
	}
	c.have += n
	if errors.Is(err, io.EOF) {
		n, err = 0, nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("take-over connection: %w", err)
	case flags&syscall.MSG_CTRUNC != 0:
		return fmt.Errorf("%w: descriptors were cut off; is the limit of open files reached?", errFrame)
	case n == 0 && c.have > 0:
		return fmt.Errorf("take-over connection: %w", io.ErrUnexpectedEOF)
	case n == 0:
		return io.EOF
	}
	return nil
}

// keep takes the descriptors out of control messages.
func (c *Conn) keep(oob []byte) error {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return fmt.Errorf("%w: %w", errFrame, err)
		}
		for _, fd := range fds {
			c.files = append(c.files, os.NewFile(uintptr(fd), "taken over"))
		}
	}
	if len(c.files) > 2*MaxFiles {
		return fmt.Errorf("%w: %d descriptors that no frame names", errFrame, len(c.files))
	}
	return nil
}

// Write buffers a frame whose body is the parts in order. Descriptors go out at once; they stay the caller's, who may close them when Write returns.
func (c *Conn) Write(k Kind, stream uint32, fds []int, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > MaxBody || len(fds) > MaxFiles {
		return fmt.Errorf("take-over connection: %v of %d bytes and %d descriptors is too large", k, n, len(fds))
	}
	if len(fds) > 0 {
		return c.writeFiles(k, stream, fds, n, parts)
	}
	c.out = appendHead(c.out, k, stream, 0, n)
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	if len(c.out) >= writeBytes {
		return c.Flush()
	}
	return nil
}

func (c *Conn) writeFiles(k Kind, stream uint32, fds []int, n int, parts [][]byte) error {
	if err := c.Flush(); err != nil {
		return err
	}
	_ = c.sock.SetWriteDeadline(time.Now().Add(writeTimeout))
	head := appendHead(nil, k, stream, len(fds), n)
	m, _, err := c.sock.WriteMsgUnix(head, syscall.UnixRights(fds...), nil)
	if err != nil {
		return fmt.Errorf("take-over connection: %w", err)
	}
	c.out = append(c.out, head[m:]...)
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	return c.Flush()
}

// Flush sends what Write has buffered.
func (c *Conn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_ = c.sock.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.sock.Write(c.out)
	if cap(c.out) > 16*writeBytes {
		c.out = nil
	}
	c.out = c.out[:0]
	if err != nil {
		return fmt.Errorf("take-over connection: %w", err)
	}
	return nil
}

// Send is Write of a message, and Flush.
func (c *Conn) Send(k Kind, v any) error {
	return errors.Join(c.Write(k, 0, nil, Marshal(v)), c.Flush())
}
