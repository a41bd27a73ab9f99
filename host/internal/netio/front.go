package netio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// front is HTTP behind a listener's sniffing: one server for each version, since the
// connections of the second outlive the listener while a Conn of theirs does.
type front struct {
	l        *Listener
	one, two *webServer // two is nil without TLS
	context  context.Context
	cancel   context.CancelFunc // ends every request's context
	waiting  waiting
	requests underWay // that net/http found
	directs  underWay // that it did not
	retired  sync.Once
}

// webServer is an http.Server and its loop.
type webServer struct {
	server  *http.Server
	in      *handoff
	serving sync.WaitGroup
}

// The bounds of an HTTP/2 connection: chosen. A stream's window is what an encoder may
// send ahead of its reader.
const (
	maxStreams        = 128
	streamWindowBytes = 256 << 10
	connWindowBytes   = 1 << 20
	http2SendBytes    = 256 << 10        // of the socket, which the kernel doubles: more would hide slow viewers
	pingAfter         = 30 * time.Second // of silence
)

func newFront(l *Listener) *front {
	f := &front{l: l}
	f.context, f.cancel = context.WithCancel(context.Background())
	f.one = f.open(f.context, func(p *http.Protocols) { p.SetHTTP1(true) })
	if l.options.TLS != nil {
		f.two = f.open(context.Background(), func(p *http.Protocols) { p.SetHTTP2(true) })
	}
	return f
}

// open starts a server; base is what the contexts of its requests come from.
func (f *front) open(base context.Context, speaks func(*http.Protocols)) *webServer {
	o := &f.l.options
	s := &webServer{in: newHandoff(f.l.sockets[0].Addr())}
	s.server = &http.Server{
		Handler:                      f,
		ReadHeaderTimeout:            o.HeaderTimeout,
		IdleTimeout:                  o.IdleTimeout,
		MaxHeaderBytes:               o.MaxHeaderBytes,
		ErrorLog:                     log.New(frontLog{o.Log}, "", 0),
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext:                  withConn,
		ConnState:                    f.connState,
		Protocols:                    new(http.Protocols),
		DisableGeneralOptionsHandler: true, // it would not ask the framing
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerConnection: connWindowBytes,
			MaxReceiveBufferPerStream:     streamWindowBytes,
			SendPingTimeout:               pingAfter,
			WriteByteTimeout:              relayStall,
		},
	}
	speaks(s.server.Protocols)
	s.serving.Go(func() {
		if err := s.server.Serve(s.in); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			o.Log.Error("http front ended", "listener", o.Name, "error", err)
		}
	})
	return s
}

// serve hands a connection to the HTTP/1 server; false if that has closed.
func (f *front) serve(c *webConn) bool {
	if c.secure != nil {
		return f.one.in.give(secureConn{c})
	}
	return f.one.in.give(c)
}

// serve2 hands a connection to the HTTP/2 server; false if that has closed.
func (f *front) serve2(c net.Conn) bool { return f.two.in.give(c) }

// connState keeps watch over connections that are owed nothing, so that they cannot be
// without number, and looks away from those that are hijacked.
func (f *front) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		f.l.busy.Add(1)
	case http.StateHijacked, http.StateClosed:
		f.l.busy.Add(-1)
	}
	switch state {
	case http.StateNew, http.StateIdle:
		if old := f.waiting.enter(c); old != nil {
			f.l.counts.evicted.Add(1)
			hardClose(old)
		}
		return
	case http.StateHijacked:
		if w := web(c); w != nil {
			w.watch = nil
		}
	case http.StateClosed:
		web(c).unclaimed()
	}
	f.waiting.leave(c)
}

// hardClose closes without a word, which TLS would wait for.
func hardClose(c net.Conn) {
	if w := web(c); w != nil {
		c = w.tcp
	} else if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	c.Close()
}

// shutdown waits for requests under way, but not for what is relayed to Conns.
func (f *front) shutdown(ctx context.Context) error {
	f.retire()
	err := f.directs.wait(ctx) // net/http must still be there for their answers
	f.directs.close()
	err = errors.Join(err, f.directs.wait(ctx), f.one.server.Shutdown(ctx))
	return errors.Join(err, f.requests.wait(ctx))
}

// retire lets HTTP/2 connections end once nothing is under way on them, which may be
// long after the listener has closed: nobody waits for it.
func (f *front) retire() {
	if f.two != nil {
		f.retired.Do(func() { go func() { _ = f.two.server.Shutdown(context.Background()) }() })
	}
}

// close cuts what is under way and joins it, but for what is relayed to Conns.
func (f *front) close() {
	f.requests.close()
	f.directs.close()
	f.cancel()
	f.one.server.Close()
	f.one.in.Close()
	f.one.serving.Wait()
	_ = f.requests.wait(context.Background())
	_ = f.directs.wait(context.Background())
	if f.two != nil {
		f.retire()
		f.two.in.Close()
		f.two.serving.Wait()
	}
}

// ServeHTTP makes an Exchange of one request and sees it to its end.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.requests.begin() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var x *Exchange
	func() {
		defer f.requests.end()
		c, _ := r.Context().Value(connKey{}).(net.Conn)
		one := web(c)
		if one != nil && !one.watch.next() {
			f.refuse(w)
			return
		}
		if one != nil && one.claim != nil {
			of := one.claim
			one.claim = nil
			of.deliver(w, r)
			return
		}
		f.l.counts.requests.Add(1)
		if r.RequestURI == "*" && r.Method == http.MethodOptions {
			f.hurry(w)
			w.Header().Set("Content-Length", "0")
			return
		}
		x = newExchange(f.l, w, r, c)
		f.exchange(x)
	}()
	if x != nil && x.relay != nil {
		x.relay.run()
	}
}

// exchange lets the handler answer. The context of an HTTP/2 request does not end with
// the front by itself.
func (f *front) exchange(x *Exchange) {
	if x.stream != nil {
		ctx, cancel := context.WithCancel(x.Request.Context())
		defer context.AfterFunc(f.context, cancel)()
		defer cancel()
		x.Request = x.Request.WithContext(ctx)
	}
	defer x.finish()
	f.l.options.Handler.ServeExchange(x)
}

// unclear answers a request that others might read otherwise.
const unclear = "the request's framing is ambiguous\n"

func (f *front) refuse(w http.ResponseWriter) {
	f.l.counts.badFraming.Add(1)
	f.hurry(w)
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(unclear)))
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, unclear)
}

// hurry bounds an answer that no Exchange gives, and the reading of a body that nobody
// wants, on which net/http sets no bound.
func (f *front) hurry(w http.ResponseWriter) {
	rc, now := http.NewResponseController(w), time.Now()
	_ = rc.SetWriteDeadline(now.Add(f.l.options.WriteTimeout)) // fails for a closed connection only
	_ = rc.SetReadDeadline(now.Add(f.l.options.BodyTimeout))
}

// frontLog turns net/http's complaints about its clients into debug lines; a
// panic of the handler is a fault of this program.
type frontLog struct{ log *slog.Logger }

func (f frontLog) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("http: panic serving")) {
		level = slog.LevelError
	}
	f.log.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
