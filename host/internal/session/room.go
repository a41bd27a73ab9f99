package session

import (
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
	"github.com/weir-media/weir/host/internal/deliver"
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
}

// Options are what the room needs of others.
type Options struct {
	Pool     *deliver.Pool
	Log      *slog.Logger
	Metrics  Metrics
	Version  string
	OpenFile func(path string) (File, error)
	// Endpoints adds the addresses at which players reach a point, seen from a client
	// that asked for authority ("host:port", may be empty) on a listener.
	Endpoints func(p *point.Point, authority, listener string, to *abi.Endpoints)
	Now       func() time.Time // nil: time.Now
}

// Room holds the runners of all plugins and the points that they serve. It is safe
// for concurrent use. Close ends it.
type Room struct {
	options Options
	log     *slog.Logger
	metrics Metrics
	version string
	now     func() time.Time
	started time.Time
	nextID  atomic.Uint64
	runners atomic.Pointer[[]*Runner] // sorted by name
	points  atomic.Pointer[map[string]*point.Point]
	sources sources
	readers sync.WaitGroup
	closing atomic.Bool
	limits  limits                                 // set before the first session
	join    func(netio.GroupOptions) (flow, error) // likewise
}

// New makes an empty room.
func New(o Options) *Room {
	if o.Now == nil {
		o.Now = time.Now
	}
	room := &Room{options: o, log: o.Log, metrics: o.Metrics, version: o.Version, now: o.Now, started: booted(o.Now()), limits: usualLimits, join: joinFlow}
	room.runners.Store(&[]*Runner{})
	room.points.Store(&map[string]*point.Point{})
	room.sources.wait = map[string]time.Duration{}
	return room
}

// SetPoints replaces the table of points.
func (room *Room) SetPoints(points map[string]*point.Point) { room.points.Store(&points) }

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
}

// Add makes a runner for a plugin; it is disabled until Enable. It fails when the
// name is taken.
func (room *Room) Add(o PluginOptions) (*Runner, error) {
	if room.Runner(o.Name) != nil {
		return nil, fmt.Errorf("plugin %q is there already", o.Name)
	}
	r := &Runner{name: o.Name, room: room, config: o.Config,
		log: room.log.With("plugin", o.Name), mail: mailbox{wake: make(chan struct{}, 1)},
		done: make(chan struct{}), owned: owned{sessions: map[uint64]*Session{}, entropy: newEntropy()}}
	r.setState(Disabled, "")
	r.SetGrant(o.Grant)
	all := append(slices.Clone(room.Runners()), r)
	slices.SortFunc(all, func(a, b *Runner) int { return strings.Compare(a.name, b.name) })
	room.runners.Store(&all)
	go r.loop()
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
		if g := r.Generation(); g != nil && r.State().Phase == Running && slices.Contains(g.Manifest().Consumes, format) {
			return r
		}
	}
	return nil
}

// Ready has packagers started on a rendition that got its first header; it is the
// hook that points are made with.
func (room *Room) Ready(p *point.Point, from *point.Rendition) {
	for _, r := range room.Runners() {
		if r.State().Phase == Running {
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
	room.log.Debug("event", "kind", kind, "plugin", plugin, "session", s.id, "peer", s.name, "point", s.on, "what", text)
}

// SetGrant replaces what the plugin may do from its next verdict on.
func (r *Runner) SetGrant(g Grant) { r.grant.Store(&g) }

// Enable starts a plugin with a generation, which the runner owns from then on and
// closes; on an error it stays the caller's. A running plugin keeps its sessions: the
// new generation is started aside and swapped in.
func (r *Runner) Enable(g plugin.Generation) error {
	old := r.Generation()
	if old == nil {
		r.setState(Starting, "")
	}
	inst, fault := r.openInstance(g, r.config)
	if fault != nil {
		r.noteStart(fault)
		if old == nil {
			r.setState(Failed, fault.Error())
		}
		return fault
	}
	var refused error
	ok := r.do(func() { refused = r.swap(g, inst) })
	if !ok {
		refused = fmt.Errorf("plugin %q: server is closing", r.name)
	}
	if refused != nil {
		inst.Close()
		return refused
	}
	r.log.Info("plugin runs", "version", g.Manifest().Version, "generation", g.Number())
	r.room.packageAll(r)
	r.room.StartSources()
	return nil
}

// swap puts the new generation in force: the next event of every session goes to it,
// with the state that the host holds. Runner.
func (r *Runner) swap(g plugin.Generation, inst plugin.Instance) error {
	if err := r.accepts(g); err != nil {
		return err
	}
	r.install(g, inst)
	return nil
}

// accepts is an error if a session holds state that g does not read. Runner.
func (r *Runner) accepts(g plugin.Generation) error {
	now := g.Manifest().State
	for _, s := range r.sessions {
		if was := s.schema; len(s.blob) > 0 && was != now.Schema && !slices.Contains(now.Accepts, was) {
			return fmt.Errorf("plugin %q: the new version reads state %q, sessions hold %q; let it accept that (state: accepts:), or disable and enable the plugin to end its sessions",
				r.name, now.Schema, was)
		}
	}
	return nil
}

// install is the part of swap that cannot fail. Runner.
func (r *Runner) install(g plugin.Generation, inst plugin.Instance) {
	old := r.Generation()
	r.dropInstance()
	r.inst = inst
	r.retry = backoff{}
	if n := inst.Inbox(); len(r.scratch.frame) < n {
		r.scratch.frame = make([]byte, n)
	}
	r.gen.Store(&g)
	r.setState(Running, "")
	r.awaken()
	if old != nil {
		old.Close()
	}
}

// stopAll tells sessions that they must end, and has the plugin answer, so that peers
// get the end that their protocol has. Runner.
func (r *Runner) stopAll(why abi.StopReason, text string, which func(*Session) bool) {
	deadline := r.room.now().Add(stopDeadline)
	told := false
	for _, s := range r.sessions {
		if which(s) {
			told = true
			s.enqueue(&abi.Stop{Reason: why, Deadline: int64(deadline.Sub(r.room.started)), Text: []byte(text)})
		}
	}
	for told && r.inst != nil && r.room.now().Before(deadline) && r.dispatch(false) {
	}
}

// stopDeadline is how long a plugin may take to answer STOP to all its sessions
// (chosen).
const stopDeadline = time.Second

// Disable ends the plugin's sessions and frees its instance; reason is shown in
// status. The plugin is draining until its sessions have ended.
func (r *Runner) Disable(reason string) {
	r.do(func() {
		r.setState(Draining, reason)
		r.stopAll(abi.StopDisabled, "plugin disabled: "+reason, func(*Session) bool { return true })
	})
	r.do(func() {
		if r.State().Phase == Running { // enabled meanwhile
			return
		}
		r.setState(Disabled, reason)
		r.endAll("plugin_disabled")
		r.dropInstance()
		if g := r.Generation(); g != nil {
			g.Close()
			r.gen.Store(nil)
		}
	})
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
	room.readers.Wait()
}
