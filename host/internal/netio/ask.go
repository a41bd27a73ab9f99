package netio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// maxReplyHead bounds the head of an HTTP answer, in bytes (spec.md 5.8; chosen: the most
// that leaves room in an inbox, and more than any encoder sends).
const maxReplyHead = 32 << 10

// ErrReplyHead says that the head of an answer is longer than 32 KiB.
var ErrReplyHead = errors.New("the head of the answer is too long")

// maxInterim bounds the answers 1xx before the one that counts (chosen).
const maxInterim = 8

// Question is an HTTP request without a body.
type Question struct {
	Method string
	URL    *url.URL
	Header http.Header // owned by Ask
}

// Reply is an answer: Body gives its body without the framing, until io.EOF, or
// io.ErrUnexpectedEOF where it breaks off.
type Reply struct {
	Status int
	Kind   BodyKind
	Length uint64 // for BodyLength
	Header http.Header
	Body   io.Reader
}

// Ask sends a request on a connection that nothing was sent on, and reads the head of
// the answer. The connection stays the caller's, and is of no other use.
func Ask(o *Outgoing, q Question) (*Reply, error) {
	r := &http.Request{Method: q.Method, URL: q.URL, Host: q.URL.Host, Header: q.Header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Close: true}
	o.conn.SetWriteDeadline(time.Now().Add(flushTimeout))
	if err := r.Write(o.conn); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	head := &replyHead{from: o, left: maxReplyHead}
	b := bufio.NewReaderSize(head, 64<<10) // a body is read past it once what was read ahead is gone
	for range maxInterim {
		resp, err := http.ReadResponse(b, r) //nolint:bodyclose // closing a body would read it to its end
		if err != nil {
			return nil, head.explain(err)
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 {
			continue
		}
		head.lift()
		return replyOf(resp), nil
	}
	return nil, fmt.Errorf("%w: nothing but answers 1xx", ErrPeer)
}

func replyOf(resp *http.Response) *Reply {
	a := &Reply{Status: resp.StatusCode, Header: resp.Header, Body: resp.Body, Kind: BodyToClose}
	switch {
	case resp.Body == http.NoBody || resp.ContentLength == 0:
		a.Kind, a.Body = BodyNone, http.NoBody
	case resp.ContentLength > 0:
		a.Kind, a.Length = BodyLength, uint64(resp.ContentLength)
	case len(resp.TransferEncoding) > 0:
		a.Kind = BodyChunked
	}
	return a
}

// replyHead bounds what is read of a connection before the head is there.
type replyHead struct {
	from io.Reader
	left int
	free bool
}

// Read gives no more than is left.
func (h *replyHead) Read(b []byte) (int, error) {
	if h.free {
		return h.from.Read(b)
	}
	if h.left == 0 {
		return 0, ErrReplyHead
	}
	n, err := h.from.Read(b[:min(len(b), h.left)])
	h.left -= n
	return n, err
}

func (h *replyHead) lift() { h.free = true }

// explain tells an answer that is none from a connection that broke.
func (h *replyHead) explain(err error) error {
	switch {
	case errors.Is(err, ErrReplyHead):
		return err
	case isTimeout(err):
		return fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)
	case h.left == maxReplyHead:
		return fmt.Errorf("no answer: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the connection ended within the head of the answer", ErrPeer)
	}
	return fmt.Errorf("%w: %w", ErrPeer, err)
}
