package netio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The defaults of Options: chosen.
const (
	DefaultSniffTimeout   = 5 * time.Second
	DefaultHeaderTimeout  = 10 * time.Second
	DefaultIdleTimeout    = 60 * time.Second
	DefaultWriteTimeout   = 30 * time.Second
	DefaultBodyTimeout    = 30 * time.Second
	DefaultMaxHeaderBytes = 32 << 10
)

// maxSniffing bounds the connections of one listener that have not yet shown
// what they speak; for a further one the oldest is closed (OutcomeBusy): chosen.
const maxSniffing = 8192

// Handler takes what a listener has recognised. Its methods are called from
// many goroutines at once.
type Handler interface {
	// ServeRaw takes a connection whose first bytes matched a pattern of
	// plugin; those bytes are read again. The handler owns c and closes it. The
	// call may last as long as the connection: its goroutine is the handler's.
	ServeRaw(c *Conn, plugin string)
	// ServeExchange takes one HTTP request, on the request's goroutine. It may
	// block, until x.Done or the request's context ends; when it returns and x
	// was neither answered nor hijacked, the client gets a 500.
	ServeExchange(x *Exchange)
}

// Options describe a Listener. Zero durations and sizes mean the defaults.
type Options struct {
	Name      string           // for logs, Conn and Exchange
	Addresses []netip.AddrPort // one socket each, of its own family; port 0: any
	// Sockets are served instead of binding Addresses: inherited, or steered to. They
	// are the Listener's from then on, also when Listen fails.
	Sockets []*net.TCPListener
	Hold    bool      // nothing is accepted before Accept
	Raw     []Pattern // the first routes; see SetRoutes
	HTTP    bool      // whether HTTP is served: version 1, with TLS also 2
	TLS     *TLS      // nil: plain TCP
	Handler Handler
	Log     *slog.Logger // nil: silent

	SniffTimeout   time.Duration // for a connection to show what it speaks
	HeaderTimeout  time.Duration // for one request head
	IdleTimeout    time.Duration // between two requests
	WriteTimeout   time.Duration // for one Respond
	BodyTimeout    time.Duration // between two reads of Exchange.Request.Body
	MaxHeaderBytes int           // of one request head; more: 431
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	or(&o.SniffTimeout, DefaultSniffTimeout)
	or(&o.HeaderTimeout, DefaultHeaderTimeout)
	or(&o.IdleTimeout, DefaultIdleTimeout)
	or(&o.WriteTimeout, DefaultWriteTimeout)
	or(&o.BodyTimeout, DefaultBodyTimeout)
	if o.MaxHeaderBytes <= 0 {
		o.MaxHeaderBytes = DefaultMaxHeaderBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Listener is a set of listening sockets with one table of what may be spoken
// on them. All methods are safe for concurrent use. Whoever called Listen
// calls Close.
type Listener struct {
	options Options
	sockets []*net.TCPListener
	routes  atomic.Pointer[table]
	counts  counters
	front   *front // nil without HTTP
	closers closers

	accepting sync.WaitGroup // accept loops
	sniffing  sniffers
	stopped   chan struct{} // closed by stop
	stopOnce  sync.Once
	startOnce sync.Once
	retired   atomic.Bool
	busy      atomic.Int64 // connections that are no handler's
	crowded   sync.Once    // said that connections make room
}

// Listen binds all addresses or none and begins to accept. A failure to bind
// is a *BindError.
func Listen(o Options) (*Listener, error) {
	o = o.withDefaults()
	if o.Handler == nil {
		return nil, fmt.Errorf("listener %q: no handler", o.Name)
	}
	l := &Listener{options: o, stopped: make(chan struct{})}
	sockets, err := l.open(o)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", o.Name, err)
	}
	l.sockets = sockets
	if o.HTTP {
		l.front = newFront(l)
	}
	if !o.Hold {
		l.Accept()
	}
	return l, nil
}

// Accept begins to accept on a listener that was opened with Options.Hold; until then
// the kernel keeps who comes in the sockets' queues. More calls do nothing.
func (l *Listener) Accept() {
	l.startOnce.Do(func() {
		for _, s := range l.sockets {
			l.accepting.Go(func() { l.acceptLoop(s) })
		}
	})
}

// open binds the addresses, or takes the sockets that were given.
func (l *Listener) open(o Options) ([]*net.TCPListener, error) {
	fail := func(err error) ([]*net.TCPListener, error) {
		for _, s := range o.Sockets {
			s.Close()
		}
		return nil, err
	}
	if len(o.Addresses) == 0 && len(o.Sockets) == 0 {
		return nil, errors.New("no address")
	}
	t, err := newTable(o.HTTP, o.Raw)
	if err != nil {
		return fail(err)
	}
	l.routes.Store(t)
	if len(o.Sockets) > 0 {
		return o.Sockets, nil
	}
	return Bind(o.Addresses)
}

// SetRoutes replaces the patterns for connections that come from now on. The
// slice is copied. On an error the former patterns stay.
func (l *Listener) SetRoutes(patterns []Pattern) error {
	t, err := newTable(l.options.HTTP, patterns)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.options.Name, err)
	}
	l.routes.Store(t)
	return nil
}

// Name is Options.Name.
func (l *Listener) Name() string { return l.options.Name }

// Addrs tells what was bound, in the order of Options.Addresses, with the
// ports that the system chose for port 0.
func (l *Listener) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(l.sockets))
	for i, s := range l.sockets {
		addrs[i] = addrPort(s.Addr())
	}
	return addrs
}

// Sockets gives the listening sockets, which stay the Listener's.
func (l *Listener) Sockets() []*net.TCPListener { return l.sockets }

// Busy counts what was accepted and not handed over: connections under judgement, HTTP's,
// between two requests too, and requests under way. Once the listener has retired, each
// answer is the last of its connection.
func (l *Listener) Busy() int {
	n := int(l.busy.Load())
	if l.front != nil {
		n += l.front.requests.count() + l.front.directs.count()
	}
	return n
}

// Stats is a snapshot of the counters.
func (l *Listener) Stats() Stats { return l.counts.snapshot() }

// queueTime is how long Retire goes on to accept, so that a client whose handshake the
// kernel has just completed is not reset: chosen, far above a scheduler's delay.
const queueTime = 20 * time.Millisecond

// Retire accepts no more connections and closes the sockets, but lets those go on that
// were accepted, whatever they have shown so far; Shutdown or Close end them. With
// drain, what waits in the sockets' queues is accepted first; without, it is left to
// others who hold the same sockets.
func (l *Listener) Retire(drain bool) {
	l.retired.Store(true)
	l.startOnce.Do(func() {}) // an Accept that comes later does nothing
	until := time.Now()
	if drain {
		until = until.Add(queueTime)
	}
	for _, s := range l.sockets {
		_ = s.SetDeadline(until) // fails for a closed socket only
	}
	l.accepting.Wait()
	for _, s := range l.sockets {
		s.Close()
	}
}

// Stop accepts no more connections. Those that are there, and requests under way, go
// on until Shutdown or Close.
func (l *Listener) Stop() { l.stop() }

func (l *Listener) stop() {
	l.stopOnce.Do(func() {
		close(l.stopped)
		for _, s := range l.sockets {
			s.Close()
		}
		l.sniffing.stop()
	})
}

// Shutdown stops accepting, then waits for requests under way and for
// connections being closed, until ctx ends; then it is Close. Conns that
// handlers own go on.
func (l *Listener) Shutdown(ctx context.Context) error {
	l.stop()
	var err error
	if l.front != nil {
		err = l.front.shutdown(ctx)
	}
	err = errors.Join(err, l.closers.wait(ctx))
	l.Close()
	if err != nil {
		return fmt.Errorf("listener %q: shutdown: %w", l.options.Name, err)
	}
	return nil
}

// Close stops accepting, breaks off requests under way and joins their
// handlers, whose request contexts have ended. Conns that handlers own go on;
// those only waiting for their last bytes to leave are cut. A ServeRaw may be
// under way when Close returns. Idempotent.
func (l *Listener) Close() {
	l.stop()
	l.accepting.Wait()
	if l.front != nil {
		l.front.close()
	}
	l.sniffing.join()
	l.closers.close()
}
