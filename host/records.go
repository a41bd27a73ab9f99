package host

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/archive"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/journal"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/sessionlog"
	"github.com/weir-media/weir/host/internal/webhook"
)

// records are where what happens is told, kept and sent.
type records struct {
	journal *journal.Journal
	archive *archive.Room

	mu    sync.Mutex
	log   *sessionlog.Log // nil: there is none
	of    config.SessionLog
	hooks []hooked // in the order of the configuration
}

// hooked is a webhook of the configuration.
type hooked struct {
	config config.Webhook
	hook   *webhook.Hook // nil: it could not be opened
	failed string        // why not, or why its secret is not that of the file
}

// hookEnd is how long webhooks may take to post what is left when they end. Chosen.
const hookEnd = 2 * time.Second

// Events gives a reader of what happens from now on.
func (s *Server) Events(f journal.Filter) (*journal.Reader, error) {
	return s.vitals.records.journal.Read(f)
}

// recordTo puts the log of sessions and the webhooks of a configuration in force; those that
// are as before go on, with the secrets that their files hold now.
func (s *Server) recordTo(c *config.Config) {
	r := &s.vitals.records
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil || r.of != c.Log {
		if r.log != nil {
			r.log.Close()
		}
		r.log, r.of = s.openSessionLog(c.Log), c.Log
	}
	was := r.hooks
	r.hooks = nil
	for _, w := range c.Webhooks {
		h := hooked{config: w}
		for i := range was {
			if was[i].hook != nil && reflect.DeepEqual(was[i].config, w) {
				h, was[i].hook = was[i], nil
				break
			}
		}
		if h.hook == nil {
			s.openHook(&h)
		} else {
			s.renewHook(&h)
		}
		r.hooks = append(r.hooks, h)
	}
	closeHooks(was)
}

func (s *Server) openSessionLog(c config.SessionLog) *sessionlog.Log {
	if c.File == "" {
		return nil
	}
	l, err := sessionlog.Open(sessionlog.Options{Journal: s.vitals.records.journal, File: c.File, Rotate: c.Rotate, Keep: c.Keep, Version: s.options.Version, Log: s.log})
	if err != nil {
		s.log.Error("no log of sessions", "error", err)
		return nil
	}
	return l
}

func (s *Server) openHook(h *hooked) {
	var err error
	h.hook, err = webhook.Open(webhook.Options{Journal: s.vitals.records.journal, URL: h.config.URL, Events: h.config.Events, SecretFile: h.config.SecretFile,
		Version: s.options.Version, Log: s.log})
	if err != nil {
		h.failed = err.Error()
		s.log.Error("webhook failed", "url", h.config.URL, "error", err)
	}
}

// renewHook has a hook that goes on read its secret again.
func (s *Server) renewHook(h *hooked) {
	h.failed = ""
	if err := h.hook.Renew(); err != nil {
		h.failed = err.Error() + "; what was read before is used"
		s.log.Error("webhook's secret not renewed; what was read before is used", "url", h.config.URL, "error", err)
	}
}

// closeHooks ends hooks, all at once.
func closeHooks(all []hooked) {
	var ends sync.WaitGroup
	for _, h := range all {
		if h.hook != nil {
			ends.Go(func() { h.hook.Close(hookEnd) })
		}
	}
	ends.Wait()
}

// close ends all that is told, once what was told is written and sent.
func (r *records) close() {
	r.archive.Close()
	r.journal.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log != nil {
		r.log.Close()
		r.log = nil
	}
	closeHooks(r.hooks)
	r.hooks = nil
}

// status tells how the log of sessions and the webhooks fare; nil if there are none.
func (r *records) status() *admin.Records {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := &admin.Records{}
	if r.log != nil {
		x := r.log.Status()
		st.Sessions = &admin.SessionLog{File: x.File, Lines: x.Lines, Lost: x.Lost, Error: x.Error}
	}
	for _, h := range r.hooks {
		w := admin.Webhook{URL: h.config.URL, Error: h.failed}
		if h.hook != nil {
			x := h.hook.Status()
			w = admin.Webhook{URL: x.URL, Posted: x.Posted, Missed: x.Missed, Error: cmp.Or(x.Error, h.failed)}
		}
		st.Webhooks = append(st.Webhooks, w)
	}
	if st.Sessions == nil && st.Webhooks == nil {
		return nil
	}
	return st
}

// watch has the changes of a point told.
func (r *records) watch(p *point.Point) {
	w := &pointWatch{journal: r.journal, state: p.Snapshot().State}
	p.Watch(w)
}

// pointWatch tells when a point's state, or the header of what its source sends, is another.
type pointWatch struct {
	journal *journal.Journal

	mu         sync.Mutex // held while the point is looked at, so that of two looks the later is told last
	state      point.State
	generation uint64 // of the header
	rendition  string // that the source feeds
}

// Changed implements point.Watcher.
func (w *pointWatch) Changed(p *point.Point) {
	w.mu.Lock()
	defer w.mu.Unlock()
	snap := p.Snapshot()
	if snap.State != w.state {
		w.state = snap.State
		w.journal.Tell(journal.Event{Kind: journal.Point, What: snap.State.String(), Point: snap.Name, Reason: snap.Reason})
	}
	for _, r := range snap.Renditions {
		h := r.Log.Header()
		if r.From() != "" || h == nil || r.Name() == w.rendition && h.Generation == w.generation {
			continue
		}
		w.rendition, w.generation = r.Name(), h.Generation
		plugin, peer, _ := strings.Cut(snap.Source, " ")
		w.journal.Tell(journal.Event{Kind: journal.Source, What: "header", Point: snap.Name, Plugin: plugin, Peer: peer, Rendition: r.Name()})
	}
}

// tellListener tells what has become of a listener.
func (s *Server) tellListener(l *listening, what string) {
	j := s.vitals.records.journal
	if !j.Heard() {
		return
	}
	e := journal.Event{Kind: journal.Listener, What: what, Listener: l.config.Name}
	if what == admin.ListenerOpen {
		addresses, _ := l.place.where()
		e.Reason = strings.Join(addresses, ", ") + " by " + l.place.rung()
	} else if l.failed != nil {
		e.Reason = strings.TrimSpace(l.failed.Code.String() + " " + l.failed.Reason())
	}
	j.Tell(e)
}

// listenerClosed is what is told of a listener that the configuration no longer has, or has
// at other addresses.
const listenerClosed = "closed"

// secrets looks for webhooks whose secret cannot be read: they would post nothing.
func (x *crossing) secrets() {
	for i, w := range x.c.Webhooks {
		if w.SecretFile == "" {
			continue
		}
		if err := webhook.Check(w.SecretFile); err != nil {
			key := []string{"webhooks"}
			if at := append(key, fmt.Sprint(i)); x.c.IsList(at...) {
				key = at
			}
			x.doubt(err.Error()+"; write a secret of at least 16 characters there, which weir may read: without it nothing is posted", append(key, "secret_file")...)
		}
	}
}
