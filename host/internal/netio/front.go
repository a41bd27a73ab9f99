package netio

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// front is the HTTP/1 server behind a listener's sniffing.
type front struct {
	l        *Listener
	server   *http.Server
	in       handoff
	cancel   context.CancelFunc // ends every request's context
	serving  sync.WaitGroup     // the server's accept loop
	mu       sync.Mutex         // orders requests.Add with closed
	closed   bool
	requests sync.WaitGroup // handlers under way
}

func newFront(l *Listener) *front {
	ctx, cancel := context.WithCancel(context.Background())
	f := &front{l: l, cancel: cancel}
	f.in = handoff{conns: make(chan net.Conn), done: make(chan struct{}), addr: l.sockets[0].Addr()}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	f.server = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: l.options.HeaderTimeout,
		IdleTimeout:       l.options.IdleTimeout,
		MaxHeaderBytes:    l.options.MaxHeaderBytes,
		ErrorLog:          log.New(frontLog{l.options.Log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConn,
		Protocols:         protocols,
	}
	f.serving.Go(func() {
		if err := f.server.Serve(&f.in); !errors.Is(err, http.ErrServerClosed) {
			l.options.Log.Error("http front ended", "listener", l.options.Name, "error", err)
		}
	})
	return f
}

// serve hands c to the HTTP server; false if that has closed.
func (f *front) serve(c *sniffedConn) bool {
	select {
	case f.in.conns <- c:
		return true
	case <-f.in.done:
		return false
	}
}

// close cuts what is under way and joins it.
func (f *front) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.server.Close()
	f.in.Close()
	f.serving.Wait()
	f.requests.Wait()
}

// ServeHTTP makes an Exchange of one request and sees it to its end.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	f.requests.Add(1)
	f.mu.Unlock()
	defer f.requests.Done()
	f.l.counts.requests.Add(1)
	x := newExchange(f.l, w, r)
	defer x.finish()
	f.l.options.Handler.ServeExchange(x)
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

// handoff is the net.Listener through which sniffed connections reach the HTTP
// server. It holds none itself.
type handoff struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handoff) Addr() net.Addr { return h.addr }

// sniffedConn gives the bytes that sniffing took before those of the socket.
type sniffedConn struct {
	*net.TCPConn
	prefix []byte
}

func (c *sniffedConn) Read(b []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.TCPConn.Read(b)
	}
	n := copy(b, c.prefix)
	if c.prefix = c.prefix[n:]; len(c.prefix) == 0 {
		c.prefix = nil
	}
	return n, nil
}
