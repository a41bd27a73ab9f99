package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of a connection to the API. Chosen; requests are small, answers are made at once.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 60 * time.Second
	requestTimeout = 30 * time.Second
	maxHeaderBytes = 32 << 10
	closeTimeout   = time.Second // for answers under way when the server closes
)

// Options say where the API stands. Each of Socket, Address and Metrics may be empty.
type Options struct {
	Backend   Backend
	Exporter  http.Handler // serves /metrics; nil: nobody does
	Socket    string       // path of a unix socket, made with mode 0600
	Address   string       // TCP "HOST:PORT", whose clients must show the token
	TokenFile string       // needed with Address
	Metrics   string       // TCP "HOST:PORT" of /metrics, /healthz and /readyz, without a token
	Log       *slog.Logger // nil: slog.Default()
	// Replace takes the socket's path from a server that still answers there, in one step.
	Replace bool
	// Inherited are sockets of the TCP addresses, under the names that Listeners gives
	// them. Those that fit are served, and all belong to the Server.
	Inherited map[string]net.Listener
}

// Server is the API at its addresses. It is safe for concurrent use. Open makes one; Close ends it.
type Server struct {
	log   *slog.Logger
	doors []*door
	loops sync.WaitGroup

	closing chan struct{} // closed by Close, or Release
	release sync.Once
	count   inflight
	once    sync.Once
}

// door is one address.
type door struct {
	name     string // "socket", "address", "metrics"
	listener net.Listener
	http     *http.Server
}

// Open listens on all addresses of the Options, or on none. Requests are served from then on.
func Open(o Options) (*Server, error) {
	s := &Server{log: o.Log, closing: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.count.idle = make(chan struct{})
	err := s.open(o)
	for _, ln := range o.Inherited { // those left
		ln.Close()
	}
	if err != nil {
		for _, d := range s.doors {
			d.listener.Close()
		}
		return nil, err
	}
	for _, d := range s.doors {
		s.loops.Go(func() { s.loop(d) })
		if socket, ok := d.listener.(*socketDoor); ok {
			s.loops.Go(func() { s.keep(socket, restoreInterval) })
		}
	}
	return s, nil
}

func (s *Server) open(o Options) error {
	if o.Socket != "" {
		open := openSocket
		if o.Replace {
			open = takeSocket
		}
		ln, err := open(o.Socket)
		if err != nil {
			return err
		}
		s.add("socket", ln, &guard{next: NewHandler(o.Backend, o.Exporter)})
	}
	if o.Address != "" {
		token, err := readToken(o.TokenFile)
		if err != nil {
			return err
		}
		if mode, open := othersRead(o.TokenFile); open {
			s.log.Warn("others may read the admin token; take that right away: chmod 600", "file", o.TokenFile, "mode", mode.String())
		}
		ln, err := o.listen("address", o.Address)
		if err != nil {
			return fmt.Errorf("open admin address: %w", err)
		}
		s.add("address", ln, &guard{next: NewHandler(o.Backend, o.Exporter), tcp: true, token: sha256.Sum256([]byte(token))})
	}
	if o.Metrics != "" {
		ln, err := o.listen("metrics", o.Metrics)
		if err != nil {
			return fmt.Errorf("open metrics address: %w", err)
		}
		s.add("metrics", ln, NewMonitor(o.Backend, o.Exporter))
	}
	return nil
}

func (s *Server) add(name string, ln net.Listener, h http.Handler) {
	s.doors = append(s.doors, &door{name, ln, &http.Server{
		Handler:           s.count.wrap(h),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}})
}

// loop owns one address until Close.
func (s *Server) loop(d *door) {
	if err := d.http.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("admin API stopped", "at", d.name, "error", err)
	}
}

// Socket, Address and Metrics give where the server listens, nil where it does not.
func (s *Server) Socket() net.Addr { return s.addr("socket") }

// Address is the bound TCP address of the API.
func (s *Server) Address() net.Addr { return s.addr("address") }

// Metrics is the bound TCP address of the metrics.
func (s *Server) Metrics() net.Addr { return s.addr("metrics") }

func (s *Server) addr(name string) net.Addr {
	for _, d := range s.doors {
		if d.name == name {
			return d.listener.Addr()
		}
	}
	return nil
}

// Close stops listening, removes the socket file and returns when the last request has been answered. It may be called twice; its error is nil.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.release.Do(func() { close(s.closing) })
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		for _, d := range s.doors {
			if d.http.Shutdown(ctx) != nil {
				d.http.Close()
			}
		}
	})
	s.loops.Wait()
	s.count.wait()
	return nil
}

// inflight knows how many requests are being answered, which http.Server.Close does not wait for.
type inflight struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when closed and n is 0
}

func (c *inflight) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.enter() {
			writeError(w, http.StatusServiceUnavailable, errors.New("the server is closing"))
			return
		}
		defer c.leave()
		next.ServeHTTP(w, r)
	})
}

func (c *inflight) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.n++
	return true
}

func (c *inflight) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.closed && c.n == 0 {
		close(c.idle)
	}
}

// wait lets no further request in and returns when none is left.
func (c *inflight) wait() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		if c.n == 0 {
			close(c.idle)
		}
	}
	c.mu.Unlock()
	<-c.idle
}
