package netio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// directBytes is the longest head that is taken without net/http: chosen, above what
// players send.
const directBytes = 2 << 10

// directTime is how long a request that net/http does not know may go unanswered before it is
// told, so that somebody watches whether the peer leaves: chosen, above what answers take when
// all come at once.
const directTime = time.Second

// direct is a request that net/http does not know: the first of a plain connection, with no
// body and nothing behind it. Viewers come so, and their connections are hijacked, which
// costs a third of what it does by way of net/http. For whatever else becomes of the request
// net/http gets the connection and reads it again: an answer, or keeping a watch on the peer.
type direct struct {
	front *front
	tcp   *net.TCPConn
	head  []byte
	claim *claim // once net/http has it
	stop  context.CancelFunc
}

// claim is what waits for net/http to find a request that is under way already.
type claim struct {
	found  chan found    // closed if it does not
	over   chan struct{} // closed when the request's handler has returned
	broken bool          // by a panic; set before over is closed
}

// found is a request as net/http hands it to a handler.
type found struct {
	w http.ResponseWriter
	r *http.Request
}

// direct serves the request in head, which is all that came over a connection. It reports
// false, and has done nothing, if that is for net/http.
func (f *front) direct(tcp *net.TCPConn, head []byte) bool {
	f.letServe()
	r := directRequest(head, f.l.options.MaxHeaderBytes)
	if r == nil || !f.directs.begin() {
		return false
	}
	defer f.directs.end()
	f.l.counts.requests.Add(1)
	d := &direct{front: f, tcp: tcp, head: head}
	ctx, stop := context.WithCancel(f.context)
	d.stop = stop
	x := &Exchange{
		Request:  r.WithContext(ctx),
		Listener: f.l.options.Name,
		Local:    addrPort(tcp.LocalAddr()),
		Remote:   addrPort(tcp.RemoteAddr()),
		l:        f.l,
		carrier:  carrier{direct: d},
		done:     make(chan struct{}),
	}
	late := time.AfterFunc(directTime, x.tellServer)
	defer d.end(x, late)
	f.l.options.Handler.ServeExchange(x)
	return true
}

// Requests that come all at once are served some at a time, in their order: while
// directCrowd are under way, the next let others run, directYields times at most, since some
// are meant to take long. Chosen: a plugin is told of so many with one call, and so often
// they are handed on until their first packets are sent.
const (
	directCrowd  = 64
	directYields = 4
)

// letServe lets requests that came before go on.
func (f *front) letServe() {
	for range directYields {
		if f.directs.count() < directCrowd {
			return
		}
		runtime.Gosched()
	}
}

// end sees a request to its end when its handler has returned, or panicked.
func (d *direct) end(x *Exchange, late *time.Timer) {
	late.Stop()
	fault := recover()
	if fault == nil {
		x.finish()
	} else if err, is := fault.(error); !is || !errors.Is(err, http.ErrAbortHandler) {
		d.front.l.options.Log.Error(fmt.Sprintf("http: panic serving %v: %v\n%s", x.Remote, fault, debug.Stack()))
	}
	d.stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	if d.claim != nil {
		d.claim.broken = fault != nil
		close(d.claim.over)
	}
	if !x.over {
		x.end()
		d.tcp.Close()
	}
}

// tellServer has net/http know the request, if it is still under way.
func (x *Exchange) tellServer() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		_ = x.viaServer() // a connection that is lost is noticed by who answers
	}
}

// viaServer makes the request one of net/http's; the caller holds mu. After an error it
// cannot be answered.
func (x *Exchange) viaServer() error {
	d := x.direct
	switch {
	case d == nil:
		return nil
	case d.claim != nil:
		if x.w == nil {
			return net.ErrClosed
		}
		return nil
	}
	d.claim = &claim{found: make(chan found, 1), over: make(chan struct{})}
	c := newWebConn(stream{Conn: d.tcp, tcp: d.tcp}, slices.Clone(d.head))
	c.claim = d.claim
	if !d.front.serve(c) {
		d.tcp.Close()
		d.stop()
		return net.ErrClosed
	}
	got, ok := <-d.claim.found
	if !ok {
		d.stop()
		return net.ErrClosed
	}
	x.w, x.known = got.w, got.r
	context.AfterFunc(got.r.Context(), d.stop)
	return nil
}

// deliver gives a claimed request to its handler, which answers it, and waits for that.
func (c *claim) deliver(w http.ResponseWriter, r *http.Request) {
	c.found <- found{w, r}
	if <-c.over; c.broken {
		panic(http.ErrAbortHandler)
	}
}

// headReaders are for directRequest.
var headReaders = sync.Pool{New: func() any { return &headReader{from: bufio.NewReaderSize(nil, directBytes)} }}

type headReader struct {
	bytes bytes.Reader
	from  *bufio.Reader
}

// directRequest reads the request in head: nil if it is for net/http, because that would
// refuse it, its body is yet to come, or something else about it is out of the ordinary.
func directRequest(head []byte, most int) *http.Request {
	if len(head) > most || !bytes.HasPrefix(head, []byte("GET ")) || bytes.Index(head, []byte("\r\n\r\n")) != len(head)-4 {
		return nil
	}
	var watch framing
	if watch.observe(head) != nil || watch.bad.Load() != 0 || watch.heads.Load() != 1 || watch.at != inRequestLine {
		return nil
	}
	if bytes.ContainsFunc(head, isControl) {
		return nil
	}
	in := headReaders.Get().(*headReader)
	defer headReaders.Put(in)
	in.bytes.Reset(head)
	in.from.Reset(&in.bytes)
	r, err := http.ReadRequest(in.from)
	if err != nil || r.URL.Host != "" || r.Host == "" || strings.ContainsFunc(r.Host, notHost) || r.RequestURI[0] != '/' {
		return nil
	}
	for name := range r.Header {
		if strings.ContainsFunc(name, notToken) || name == "Expect" || name == "Upgrade" {
			return nil
		}
	}
	return r
}

// isControl tells what a head may not hold beside its line ends.
func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7F }

// notHost tells what stands in no name or address of a host, with its port. What is rarer
// is left to net/http to judge.
func notHost(r rune) bool {
	isWord := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !isWord && !strings.ContainsRune(".-_:[]", r)
}
