package host

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/netio/fallback"
	"github.com/weir-media/weir/host/internal/session"
)

// listening is a listener of plugins.yaml: open, disabled, or failed with a reason.
type listening struct {
	config   config.Listener
	front    *session.Front
	place    *place               // where it is; nil unless open
	tcp      *netio.Listener      // one of tcp and udp stands if it is open
	udp      []*netio.UDPListener // what is bound, and what is steered
	fallback http.Handler         // nil: what no plugin takes is not found
	failed   *ListenError
	accepts  bool // it has its steering, and takes connections
}

// isOpen tells whether the listener has its sockets.
func (l *listening) isOpen() bool { return l.tcp != nil || len(l.udp) > 0 }

// tables compiles the routes of each listener from the manifests of its plugins,
// running or not: a disabled plugin's requests are refused in its name.
func (s *Server) tables() (map[string]*manifest.Table, error) {
	return tables(s.config(), s.manifests())
}

// manifests are those of the plugins that are loaded.
func (s *Server) manifests() map[string]*manifest.Manifest {
	all := map[string]*manifest.Manifest{}
	for name, p := range s.plugins {
		if p.manifest != nil {
			all[name] = p.manifest
		}
	}
	return all
}

func tables(c *config.Config, manifests map[string]*manifest.Manifest) (map[string]*manifest.Table, error) {
	all := map[string]*manifest.Table{}
	for _, l := range c.Listeners {
		var sources []manifest.Source
		for _, p := range c.Plugins {
			if m := manifests[p.Name]; m != nil && slices.Contains(p.Listeners, l.Name) {
				sources = append(sources, manifest.Source{Plugin: p.Name, Listener: l.Name, Manifest: m})
			}
		}
		t, err := manifest.Compile(sources)
		if err != nil {
			return nil, c.Problem(err.Error(), "listeners", l.Name)
		}
		all[l.Name] = t
	}
	return all, nil
}

// openListeners opens all enabled listeners that a take-over has not opened already; one
// that cannot is failed, the rest run. It is an error for a server that takes over if
// one fails that worked before.
func (s *Server) openListeners(from *taking) error {
	for _, c := range s.config().Listeners {
		if l := s.listeners[c.Name]; l != nil {
			s.logOpen(l)
			continue
		}
		s.listeners[c.Name] = s.tryListener(c)
	}
	if err := from.lost(); err != nil {
		return from.refusal(err)
	}
	s.putInForce()
	if err := from.lost(); err != nil {
		return from.refusal(err)
	}
	for _, l := range s.listeners {
		l.accept()
	}
	s.warnUntaken()
	return nil
}

// goListeners puts routes and steering in force and lets the listeners accept.
func (s *Server) goListeners() {
	s.putInForce()
	for _, l := range s.listeners {
		l.accept()
	}
}

// putInForce does so with routes and steering. Listeners that accept already keep what
// they have if steering fails for the others.
func (s *Server) putInForce() {
	s.setRoutes()
	if err := s.steer(s.listeners); err != nil {
		s.log.Error("steering not in force", "error", err)
		for _, l := range s.listeners {
			if l.isOpen() && len(l.place.claims) > 0 && !l.accepts {
				l.fail(s.listenError(l.config, err, s.again(l.config)))
				s.tellListener(l, admin.ListenerFailed)
			}
		}
		if err := s.steer(s.listeners); err != nil {
			s.log.Error("steering is not as it was", "error", err)
		}
	}
}

// tryListener opens a listener if it is enabled; a failure is its state.
func (s *Server) tryListener(c config.Listener) *listening {
	if !c.Enabled {
		return &listening{config: c, front: s.front(c.Name)}
	}
	l, err := s.openListener(c, s.again(c))
	if err != nil {
		s.tellListener(l, admin.ListenerFailed)
		s.log.Error("listener failed", "listener", c.Name, "code", l.failed.Code.String(), "error", l.failed.Reason(), "remedy", l.failed.Remedy)
		return l
	}
	s.logOpen(l)
	return l
}

func (s *Server) logOpen(l *listening) {
	addresses, _ := l.place.where()
	s.log.Info("listener open", "listener", l.config.Name, "addresses", addresses, "by", l.place.rung())
	s.tellListener(l, admin.ListenerOpen)
}

// front gives the handler of the listener of that name, which outlives its sockets.
func (s *Server) front(name string) *session.Front {
	if l := s.listeners[name]; l != nil {
		return l.front
	}
	return s.room.NewFront()
}

// openListener opens all that a listener needs, aside from what runs: nothing is
// accepted and nothing steered before accept and steer. On an error, which is a
// *ListenError with what to do again after it is mended, the listener that it gives is
// failed.
func (s *Server) openListener(c config.Listener, again string) (*listening, error) {
	l := &listening{config: c, front: s.front(c.Name)}
	if err := s.openSockets(l); err != nil {
		l.failed = s.listenError(c, err, again)
		return l, l.failed
	}
	return l, nil
}

func (s *Server) openSockets(l *listening) (err error) {
	if l.fallback, err = s.fallback(l.config.Fallback); err != nil {
		return err
	}
	if l.config.UDP {
		return s.openUDP(l)
	}
	o := netio.Options{Name: l.config.Name, HTTP: true, Hold: true, Handler: l.front, Log: s.log}
	if t := l.config.TLS; t.Cert != "" {
		if o.TLS, err = netio.OpenTLS(t.Cert, t.Key, s.log); err != nil {
			return err
		}
	}
	p, err := s.climb(l.config)
	if err != nil {
		return err
	}
	o.Sockets = p.sockets
	if l.tcp, err = netio.Listen(o); err != nil {
		return err
	}
	l.place = p
	return nil
}

// fallback makes the handler of requests that no plugin takes.
func (s *Server) fallback(c config.Fallback) (http.Handler, error) {
	switch {
	case c.Files != "":
		return fallback.Files(c.Files, c.Listing, s.log)
	case c.Upstream != "":
		u, err := url.Parse(c.Upstream)
		if err != nil {
			return nil, err
		}
		return fallback.Upstream(u, s.log)
	}
	return nil, nil
}

// accept lets an open listener take connections; datagrams come from the beginning.
func (l *listening) accept() {
	l.accepts = l.isOpen()
	if l.tcp != nil {
		l.tcp.Accept()
	}
}

// fail closes an open listener for a reason.
func (l *listening) fail(err *ListenError) {
	l.close()
	l.tcp, l.udp, l.place = nil, nil, nil
	l.failed = err
}

// reopen tries a plugin's failed listeners again; those that open are used, whatever
// becomes of the others.
func (s *Server) reopen(p *loaded) error {
	for _, name := range p.config.Listeners {
		if l := s.listeners[name]; l != nil && l.config.Enabled && !l.isOpen() {
			s.listeners[name] = s.tryListener(l.config)
		}
	}
	s.goListeners()
	var failed []error
	for _, name := range p.config.Listeners {
		if l := s.listeners[name]; l != nil && l.failed != nil {
			failed = append(failed, l.failed)
		}
	}
	return errors.Join(failed...)
}

// setRoutes puts the routes in force and tells the announcements.
func (s *Server) setRoutes() {
	tables, err := s.tables()
	if err != nil {
		s.log.Error("routes unchanged", "error", err)
		return
	}
	for name, l := range s.listeners {
		t := tables[name]
		l.front.SetTable(t)
		l.front.SetFallback(l.fallback)
		if err := l.setPatterns(t); err != nil {
			s.log.Error("byte patterns unchanged", "listener", name, "error", err)
		}
	}
	s.announceOffers()
}

func (l *listening) setPatterns(t *manifest.Table) error {
	if l.tcp != nil {
		return l.tcp.SetRoutes(patterns(t.Raw()))
	}
	for _, u := range l.udp {
		if err := u.SetRoutes(patterns(t.UDP())); err != nil {
			return err
		}
	}
	return nil
}

func patterns(routes []manifest.RawTarget) []netio.Pattern {
	var all []netio.Pattern
	for _, r := range routes {
		all = append(all, netio.Pattern{Plugin: r.Plugin, Offset: r.Pattern.Offset, Bytes: r.Pattern.Bytes, Mask: r.Pattern.Mask, RTSP: r.RTSP})
	}
	return all
}

// announceOffers tells the book what running plugins offer on open listeners.
func (s *Server) announceOffers() {
	s.book.Set(s.offers())
	s.book.SetPackagers(s.packagers())
	s.sap.Refresh()
}

func (s *Server) offers() []announce.Offer {
	running := func(name string) *manifest.Manifest {
		p := s.plugins[name]
		if p == nil || p.off != "" || !p.runner.State().Works() {
			return nil
		}
		return p.manifest
	}
	return offers(s.config(), running, func(l config.Listener) []netip.AddrPort {
		if open := s.listeners[l.Name]; open != nil && open.tcp != nil {
			return open.place.dialled
		}
		return nil
	})
}

// offers are what plugins, of which running gives the manifest, offer on listeners.
func offers(c *config.Config, running func(plugin string) *manifest.Manifest, dialled func(config.Listener) []netip.AddrPort) (all []announce.Offer) {
	for _, p := range c.Plugins {
		m := running(p.Name)
		if m == nil {
			continue
		}
		for _, name := range p.Listeners {
			l, _ := c.Listener(name)
			for _, a := range dialled(l) {
				o := announce.Offer{Plugin: p.Name, Listener: name, Address: a, TLS: l.TLS.Cert != "", Plays: m.Plays}
				if p.Grant.Documents {
					o.Documents = m.Documents
				}
				o.Wide, o.Last = stretch(l, a)
				all = append(all, o)
			}
		}
	}
	return all
}

// stretch tells whether a stands for a whole prefix, and with which port its range ends.
func stretch(l config.Listener, a netip.AddrPort) (wide bool, last uint16) {
	for _, k := range l.Claims {
		if k.Prefix.Addr() == a.Addr() && k.First == a.Port() {
			return !k.Prefix.IsSingleIP(), k.Last
		}
	}
	return false, 0
}

// stopTimeout is how long requests that are under way may take once a listener stops.
const stopTimeout = time.Second

// retire gives up the addresses and lets connections and requests under way go on; they
// are ended by stop, or end by themselves.
func (l *listening) retire() {
	if l.tcp != nil {
		l.tcp.Retire(true)
	}
	for _, u := range l.udp {
		u.Stop()
	}
}

// halt takes no more connections, and those that have not shown what they speak are
// closed.
func (l *listening) halt() {
	if l.tcp != nil {
		l.tcp.Stop()
	}
	for _, u := range l.udp {
		u.Stop()
	}
}

// stop takes no more connections and lets requests under way have their answer.
func (l *listening) stop() {
	for _, u := range l.udp {
		u.Stop()
	}
	if l.tcp == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = l.tcp.Shutdown(ctx)
}

func (l *listening) close() {
	if l.tcp != nil {
		l.tcp.Close()
	}
	for _, u := range l.udp {
		u.Close()
	}
}
