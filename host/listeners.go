package host

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/session"
)

// listening is a listener of plugins.yaml: open, disabled, or failed with a reason.
type listening struct {
	config config.Listener
	front  *session.Front
	l      *netio.Listener
	failed *ListenError
}

// ListenError is a listener that could not be opened, in words for an operator.
type ListenError struct {
	Listener string
	Address  netip.AddrPort
	Code     uint32 // HRESULT of the original system (nserror.h), 0 if none fits
	Cause    error
	Remedy   string
}

// nsPortInUseHTTP is NS_E_PORT_IN_USE_HTTP.
const nsPortInUseHTTP = 0xC00D158B

func (e *ListenError) Error() string {
	text := "listener " + e.Listener + ": " + e.Cause.Error()
	if e.Code != 0 {
		text = codeText(e.Code) + " " + text
	}
	return text + "; " + e.Remedy
}

// Unwrap gives the cause.
func (e *ListenError) Unwrap() error { return e.Cause }

func listenError(name string, err error) *ListenError {
	e := &ListenError{Listener: name, Cause: err, Remedy: "see listeners." + name + " in the configuration"}
	var bind *netio.BindError
	if errors.As(err, &bind) {
		e.Address, e.Cause = bind.Address, bind
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Code = nsPortInUseHTTP
		e.Remedy = "another program holds this address and port: end it, or choose another port, then run: weir plugin enable NAME"
	case errors.Is(err, syscall.EACCES):
		e.Remedy = "ports below 1024 need the right CAP_NET_BIND_SERVICE: grant it, or choose a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Remedy = "this computer has no such address: correct it, or add it to an interface"
	}
	return e
}

// tables compiles the routes of each listener from the manifests of its plugins,
// running or not: a disabled plugin's requests are refused in its name.
func (s *Server) tables() (map[string]*manifest.Table, error) {
	all := map[string]*manifest.Table{}
	for _, l := range s.config.Listeners {
		var sources []manifest.Source
		for _, c := range s.config.Plugins {
			if p := s.plugins[c.Name]; p != nil && p.manifest != nil && slices.Contains(c.Listeners, l.Name) {
				sources = append(sources, manifest.Source{Plugin: c.Name, Listener: l.Name, Manifest: p.manifest})
			}
		}
		t, err := manifest.Compile(sources)
		if err != nil {
			return nil, s.config.Problem(err.Error(), "listeners", l.Name)
		}
		all[l.Name] = t
	}
	return all, nil
}

// openListeners opens all enabled listeners; one that cannot is failed, the rest run.
func (s *Server) openListeners() {
	for _, c := range s.config.Listeners {
		l := &listening{config: c, front: s.room.NewFront()}
		s.listeners[c.Name] = l
		if c.Enabled {
			s.openListener(l)
		}
	}
	s.setRoutes()
}

func (s *Server) openListener(l *listening) {
	opened, err := netio.Listen(netio.Options{Name: l.config.Name, Addresses: l.config.Addresses, HTTP: true, Handler: l.front, Log: s.log})
	if err != nil {
		l.failed = listenError(l.config.Name, err)
		s.log.Error("listener failed", "listener", l.config.Name, "code", codeText(l.failed.Code), "error", err, "remedy", l.failed.Remedy)
		return
	}
	l.l, l.failed = opened, nil
	s.log.Info("listener open", "listener", l.config.Name, "addresses", opened.Addrs())
}

// reopen tries a plugin's failed listeners again.
func (s *Server) reopen(p *loaded) error {
	for _, name := range p.config.Listeners {
		if l := s.listeners[name]; l != nil && l.config.Enabled && l.l == nil {
			s.openListener(l)
			if l.failed != nil {
				return l.failed
			}
		}
	}
	s.setRoutes()
	return nil
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
		if l.l == nil {
			continue
		}
		if err := l.l.SetRoutes(patterns(t)); err != nil {
			s.log.Error("byte patterns unchanged", "listener", name, "error", err)
		}
	}
	s.announceOffers()
}

func patterns(t *manifest.Table) []netio.Pattern {
	var all []netio.Pattern
	for _, r := range t.Raw() {
		all = append(all, netio.Pattern{Plugin: r.Plugin, Offset: r.Pattern.Offset, Bytes: r.Pattern.Bytes, Mask: r.Pattern.Mask})
	}
	return all
}

// announceOffers tells the book what running plugins offer on open listeners.
func (s *Server) announceOffers() {
	var offers []announce.Offer
	for _, c := range s.config.Plugins {
		p := s.plugins[c.Name]
		if p == nil || p.manifest == nil || p.off != "" || p.runner.State().Phase != session.Running {
			continue
		}
		for _, name := range c.Listeners {
			l := s.listeners[name]
			if l == nil || l.l == nil {
				continue
			}
			for _, a := range l.l.Addrs() {
				offers = append(offers, announce.Offer{Plugin: c.Name, Listener: name, Address: a, Plays: p.manifest.Plays})
			}
		}
	}
	s.book.Set(offers)
}

// stopTimeout is how long requests that are under way may take once a listener stops.
const stopTimeout = time.Second

// stop takes no more connections.
func (l *listening) stop() {
	if l.l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = l.l.Shutdown(ctx)
}

func (l *listening) close() {
	if l.l != nil {
		l.l.Close()
	}
}
