package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/journal"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
)

// File is a media file that a source plugin reads.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64 // bytes
}

// Metrics counts what plugins and sessions do. Its methods must not block; they are
// called by several goroutines.
type Metrics interface {
	Called(plugin string, took time.Duration, events int)
	Faulted(plugin, kind string)
	Refused(plugin, code string)
	Custom(plugin, name string, delta uint64)
	Limited(plugin, limit string) // one of its sessions would have held more than it may
}

// Options are what the room needs of others.
type Options struct {
	Pool     *deliver.Pool
	Log      *slog.Logger
	Metrics  Metrics
	Version  string
	OpenFile func(path string) (File, error)
	// Describe adds what an announcer is told of a point beside its summary: the addresses
	// at which players reach it, seen from a client that asked for authority ("host:port",
	// may be empty) on a listener, and what the operator says of it.
	Describe  func(p *point.Point, authority, listener string, to *abi.DocumentRequest)
	Templates Templates        // nil: no point is made for a source
	Now       func() time.Time // nil: time.Now
	Access    *access.Guard    // nil: everybody may do everything
	Journal   *journal.Journal // who reads hears what happens; nil: nobody
	RollBack  func(r *Runner)  // a plugin's new generation has failed: call r.RollBack, which is called if this is nil
}

// Room holds the runners of all plugins and the points that they serve. It is safe
// for concurrent use. Close ends it.
type Room struct {
	options    Options
	log        *slog.Logger
	metrics    Metrics
	version    string
	now        func() time.Time
	started    time.Time
	nextID     atomic.Uint64
	runners    atomic.Pointer[[]*Runner] // sorted by name
	points     pointTable
	sources    sources
	readers    readers
	closing    atomic.Bool
	switching  sync.Mutex                             // held while generations are put in force or taken away
	limits     limits                                 // set before the first session
	join       func(netio.GroupOptions) (flow, error) // likewise
	dialPeer   func(netio.PeerOptions) (flow, error)  // likewise
	spareAfter time.Duration                          // likewise
	peers      netio.Peers
}

// New makes an empty room.
func New(o Options) *Room {
	if o.Now == nil {
		o.Now = time.Now
	}
	room := &Room{options: o, log: o.Log, metrics: o.Metrics, version: o.Version, now: o.Now, started: booted(o.Now()), limits: usualLimits, join: joinFlow, spareAfter: spareAfter}
	room.peers.Log, room.dialPeer = o.Log, room.dialFlow
	room.runners.Store(&[]*Runner{})
	room.points.Store(&map[string]*point.Point{})
	room.sources.wait = map[string]time.Duration{}
	return room
}

// SetPoints replaces the table of points.
func (room *Room) SetPoints(points map[string]*point.Point) {
	room.points.mu.Lock()
	defer room.points.mu.Unlock()
	room.points.Store(&points)
}

// Points gives the points, sorted by name.
func (room *Room) Points() []*point.Point {
	var all []*point.Point
	for _, p := range *room.points.Load() {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *point.Point) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

// Point gives the point of that name, or nil.
func (room *Room) Point(name string) *point.Point { return room.point(name) }

func (room *Room) point(name string) *point.Point { return (*room.points.Load())[name] }

// Runners gives the plugins' runners, sorted by name. The slice must not be changed.
func (room *Room) Runners() []*Runner { return *room.runners.Load() }

// Runner gives the runner of that plugin, or nil.
func (room *Room) Runner(name string) *Runner {
	for _, r := range room.Runners() {
		if r.name == name {
			return r
		}
	}
	return nil
}

// PluginOptions are what plugins.yaml says of a plugin.
type PluginOptions struct {
	Name   string
	Grant  Grant
	Config []byte // JSON
	// Instances is how many events of different sessions the plugin may handle at once; 0: 1.
	Instances int
	// Drain is how long sessions may stay with an older generation; 0: they end at once.
	Drain time.Duration
}

// Add makes a runner for a plugin; it is disabled until Enable. It fails when the
// name is taken.
func (room *Room) Add(o PluginOptions) (*Runner, error) {
	if room.Runner(o.Name) != nil {
		return nil, fmt.Errorf("plugin %q is there already", o.Name)
	}
	r := &Runner{name: o.Name, room: room, crew: crew{config: o.Config}, log: room.log.With("plugin", o.Name)}
	r.setState(Disabled, "")
	r.SetGrant(o.Grant)
	all := append(slices.Clone(room.Runners()), r)
	slices.SortFunc(all, func(a, b *Runner) int { return strings.Compare(a.name, b.name) })
	room.runners.Store(&all)
	r.SetDrain(o.Drain)
	for range max(o.Instances, 1) {
		r.workers = append(r.workers, newWorker(r))
		r.taking++
	}
	return r, nil
}

func newEntropy() *mrand.ChaCha8 {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails (crypto/rand)
	return mrand.NewChaCha8(seed)
}

// formatter gives the running plugin that consumes a format.
func (room *Room) formatter(format string) *Runner {
	for _, r := range room.Runners() {
		if g := r.Generation(); g != nil && r.State().Works() && slices.Contains(g.Manifest().Consumes, format) {
			return r
		}
	}
	return nil
}

// Ready has packagers started on a rendition that got its first header; it is the
// hook that points are made with.
func (room *Room) Ready(p *point.Point, from *point.Rendition) {
	for _, r := range room.Runners() {
		if r.State().Works() {
			r.packageFrom(p, from)
		}
	}
}

func (r *Runner) packageFrom(p *point.Point, from *point.Rendition) {
	g := r.Generation()
	if g == nil || !r.grant.Load().attaches(p.Name()) {
		return
	}
	for _, k := range g.Manifest().Packages {
		if k.From == from.Name() {
			r.startPackager(p, from, k)
		}
	}
}

// packageAll starts a plugin's packagers on all renditions that have a header.
func (room *Room) packageAll(r *Runner) {
	for _, p := range room.Points() {
		for _, from := range p.Snapshot().Renditions {
			if from.Log.Header() != nil {
				r.packageFrom(p, from)
			}
		}
	}
}

// event notes what happened to a session, for those who watch.
func (room *Room) event(kind, plugin string, s *Session, text string) {
	if !room.log.Enabled(context.Background(), slog.LevelDebug) { // it is an allocation for each word
		return
	}
	room.log.Debug("event", "kind", kind, "plugin", plugin, "session", s.id, "peer", s.name(), "point", s.on, "what", text)
}

// SetGrant replaces what the plugin may do from its next verdict on.
func (r *Runner) SetGrant(g Grant) { r.grant.Store(&g) }

// Enable starts a plugin with a generation, which the runner owns from then on and
// closes; on an error it stays the caller's. A running plugin keeps its sessions: the
// new generation is started aside and swapped in.
func (r *Runner) Enable(g plugin.Generation) error {
	return r.Replace(g, *r.grant.Load(), r.settings(), func() error { return nil })
}

// Replace is Enable with what the plugin may do and is told, JSON, from then on. then is
// called between the last event of the old and the first of the new; if it fails nothing
// changes.
func (r *Runner) Replace(g plugin.Generation, grant Grant, config []byte, then func() error) error {
	return r.replace(then, func() (*Candidate, error) { return r.Prepare(g, grant, config) })
}

// ReplaceUnseen is Replace for a generation that need not have answered anything.
func (r *Runner) ReplaceUnseen(g plugin.Generation, grant Grant, config []byte, then func() error) error {
	return r.replace(then, func() (*Candidate, error) { return r.PrepareUnseen(g, grant, config) })
}

func (r *Runner) replace(then func() error, prepare func() (*Candidate, error)) error {
	old := r.Generation()
	if old == nil {
		r.setState(Starting, "")
	}
	c, err := prepare()
	if err != nil {
		if old == nil {
			r.setState(Failed, err.Error())
		}
		return err
	}
	if _, err := r.room.Switch([]*Candidate{c}, then); err != nil {
		c.closeInstances()
		if old == nil {
			r.setState(Failed, err.Error())
		}
		return err
	}
	r.room.StartSources()
	return nil
}

// settings gives the configuration, JSON, that instances are told from now on.
func (r *Runner) settings() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config
}

// stopAll tells sessions that they must end, and has the plugin answer, so that peers
// get the end that their protocol has. Worker.
func (w *worker) stopAll(why abi.StopReason, text string, which func(*Session) bool) {
	deadline := w.r.room.now().Add(stopDeadline)
	told := false
	for _, s := range w.sessions {
		if which(s) {
			told = true
			s.enqueue(&abi.Stop{Reason: why, Deadline: int64(deadline.Sub(w.r.room.started)), Text: []byte(text)})
		}
	}
	for told && w.r.room.now().Before(deadline) && w.dispatch(false) { // those of an era that does not start are not ready
	}
}

// stopDeadline is how long a plugin may take to answer STOP to all its sessions
// (chosen).
const stopDeadline = time.Second

// Disable ends the plugin's sessions and frees its instances; reason is shown in
// status. The plugin is draining until its sessions have ended.
func (r *Runner) Disable(reason string) {
	r.together(func(w *worker) {
		r.setState(Draining, reason)
		w.stopAll(abi.StopDisabled, "the plugin is "+State{Phase: Disabled, Reason: reason}.Words(), func(*Session) bool { return true })
	})
	r.room.switching.Lock()
	defer r.room.switching.Unlock()
	if r.state.Load().Works() { // enabled meanwhile
		return
	}
	r.setState(Disabled, reason)
	r.each(func(w *worker) {
		w.endAll("plugin_disabled")
		w.endEras()
		w.samples.all = nil // what was answered before says nothing of who enables it
	})
	r.endTrial(nil)
	r.gen.Swap(nil).release()
}

// SetFailed notes that a plugin could not be loaded.
func (r *Runner) SetFailed(reason string) {
	if r.Generation() == nil {
		r.setState(Failed, reason)
	}
}

// Close ends all runners and waits for what they have started.
func (room *Room) Close() {
	room.closing.Store(true)
	room.sources.stop()
	for _, r := range room.Runners() {
		r.Close()
	}
	room.readers.close()
	room.peers.Close()
}
